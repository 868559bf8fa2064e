-- Each service in each account: how much, by how many, where, since when.
-- grain:  account_id, event_source
-- reads:  events, error_classes, account_directory
-- units:  calls, writes, errors, denied_calls: counts
with callers as (
    select
        events.account_id,
        events.event_source,
        events.event_name,
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
        events.event_source,
        events.event_name,
        events.aws_region,
        coalesce(events.principal_arn, events.actor)
),
totals as (
    select
        account_id,
        event_source,
        cast(sum(calls) as bigint) as calls,
        cast(sum(writes) as bigint) as writes,
        cast(sum(errors) as bigint) as errors,
        cast(sum(denied_calls) as bigint) as denied_calls,
        count(distinct event_name) as apis,
        count(distinct principal) as principals,
        count(distinct aws_region) as regions,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen
    from callers
    group by account_id, event_source
)
select
    totals.account_id,
    totals.event_source,
    totals.calls,
    totals.writes,
    totals.errors,
    totals.denied_calls,
    totals.apis,
    totals.principals,
    totals.regions,
    totals.first_seen,
    totals.last_seen,
    account_directory.account_name,
    account_directory.environment
from totals
left join account_directory
    on account_directory.account_id = totals.account_id
