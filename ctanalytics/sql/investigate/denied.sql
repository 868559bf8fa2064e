-- What the subject tried and was refused, and whether the same API was let through later.
-- grain:  account_id, event_source, event_name, error_code
-- reads:  subject_events, error_classes, account_directory
-- params: rows
-- units:  calls, later_calls: counts (later_calls: that succeeded after the first refusal); times UTC;
-- event_id: of the first call
with refused as (
    select
        subject_events.account_id,
        subject_events.event_source,
        subject_events.event_name,
        subject_events.error_code,
        count(*) as calls,
        count(distinct subject_events.aws_region) as regions,
        min(subject_events.event_time) as first_seen,
        max(subject_events.event_time) as last_seen,
        arg_max(subject_events.error_message, subject_events.event_time) as last_message,
        arg_min(subject_events.event_id, subject_events.event_time) as event_id
    from subject_events
    inner join error_classes
        on error_classes.error_code = subject_events.error_code
    where error_classes.error_class = 'denied'
    group by
        subject_events.account_id,
        subject_events.event_source,
        subject_events.event_name,
        subject_events.error_code
),
allowed as (
    select
        refused.account_id,
        refused.event_source,
        refused.event_name,
        refused.error_code,
        count(*) as calls
    from refused
    inner join subject_events
        on subject_events.account_id is not distinct from refused.account_id
        and subject_events.event_source = refused.event_source
        and subject_events.event_name = refused.event_name
        and subject_events.event_time > refused.first_seen
    where not subject_events.is_error
    group by refused.account_id, refused.event_source, refused.event_name, refused.error_code
)
select
    refused.event_source,
    refused.event_name,
    refused.error_code,
    refused.calls,
    coalesce(allowed.calls, 0) as later_calls,
    refused.regions,
    refused.account_id,
    account_directory.account_name,
    refused.first_seen,
    refused.last_seen,
    refused.last_message,
    refused.event_id,
    count(*) over () as found
from refused
left join allowed
    on allowed.account_id is not distinct from refused.account_id
    and allowed.event_source = refused.event_source
    and allowed.event_name = refused.event_name
    and allowed.error_code = refused.error_code
left join account_directory
    on account_directory.account_id = refused.account_id
order by refused.calls desc, refused.first_seen, refused.event_source, refused.event_name
limit $rows
