-- What happens in each region of each account. Global services log in one region only.
-- grain:  account_id, aws_region
-- reads:  events, error_classes
-- units:  calls, writes, errors, denied_calls: counts
with callers as (
    select
        events.account_id,
        events.aws_region,
        coalesce(events.principal_arn, events.actor) as principal,
        min(case when events.event_time_status = 'ok' then events.event_time end) as first_seen,
        max(case when events.event_time_status = 'ok' then events.event_time end) as last_seen,
        count(*) as calls,
        count(*) filter (where not events.read_only) as writes,
        count(*) filter (where events.is_error) as errors,
        count(*) filter (where error_classes.error_class = 'denied') as denied_calls
    from events
    left join error_classes
        on error_classes.error_code = events.error_code
    group by
        events.account_id,
        events.aws_region,
        coalesce(events.principal_arn, events.actor)
)
select
    account_id,
    aws_region,
    cast(sum(calls) as bigint) as calls,
    cast(sum(writes) as bigint) as writes,
    cast(sum(errors) as bigint) as errors,
    cast(sum(denied_calls) as bigint) as denied_calls,
    count(distinct principal) as principals,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen
from callers
group by account_id, aws_region
