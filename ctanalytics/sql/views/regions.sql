-- What happens in each region of each account. Global services log in one region only.
-- grain:  account_id, aws_region
-- reads:  events, error_classes, account_directory
-- units:  calls, writes, errors, denied_calls, scp_refusals: counts; is_unused_but_open: calls are let
-- through and none by a service control policy refused, but nobody changed a thing there
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
        count(*) filter (where error_classes.error_class = 'denied') as denied_calls,
        count(*) filter (
            where not events.is_error and events.principal_type <> 'service'
        ) as calls_let_through,
        count(*) filter (
            where events.error_message like '%service control policy%'
        ) as scp_refusals,
        count(*) filter (
            where not events.read_only
              and not events.is_error
              and events.principal_type <> 'service'
              and events.invoked_by is null
        ) as own_writes
    from events
    left join error_classes
        on error_classes.error_code = events.error_code
    group by
        events.account_id,
        events.aws_region,
        coalesce(events.principal_arn, events.actor)
),
totals as (
    select
        account_id,
        aws_region,
        cast(sum(calls) as bigint) as calls,
        cast(sum(writes) as bigint) as writes,
        cast(sum(errors) as bigint) as errors,
        cast(sum(denied_calls) as bigint) as denied_calls,
        count(distinct principal) as principals,
        cast(sum(scp_refusals) as bigint) as scp_refusals,
        sum(calls_let_through) > 0
        and sum(own_writes) = 0
        and sum(scp_refusals) = 0 as is_unused_but_open,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen
    from callers
    group by account_id, aws_region
)
select
    totals.account_id,
    totals.aws_region,
    totals.calls,
    totals.writes,
    totals.errors,
    totals.denied_calls,
    totals.principals,
    totals.scp_refusals,
    totals.is_unused_but_open,
    totals.first_seen,
    totals.last_seen,
    account_directory.account_name,
    account_directory.environment
from totals
left join account_directory
    on account_directory.account_id = totals.account_id
