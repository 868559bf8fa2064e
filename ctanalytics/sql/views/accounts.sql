-- Each account with records in the lake, and how much happens there.
-- grain:  account_id
-- reads:  events, error_classes, account_directory
-- units:  calls, writes, errors, denied_calls, calls_without_time: counts; active_days: UTC days
with callers as (
    select
        events.account_id,
        coalesce(events.principal_arn, events.actor) as principal,
        events.aws_region,
        case when events.event_time_status = 'ok' then events.event_date end as active_date,
        min(case when events.event_time_status = 'ok' then events.event_time end) as first_seen,
        max(case when events.event_time_status = 'ok' then events.event_time end) as last_seen,
        count(*) as calls,
        count(*) filter (where not events.read_only) as writes,
        count(*) filter (where events.is_error) as errors,
        count(*) filter (where error_classes.error_class = 'denied') as denied_calls,
        count(*) filter (where events.event_time_status <> 'ok') as calls_without_time
    from events
    left join error_classes
        on error_classes.error_code = events.error_code
    group by
        events.account_id,
        coalesce(events.principal_arn, events.actor),
        events.aws_region,
        case when events.event_time_status = 'ok' then events.event_date end
),
totals as (
    select
        account_id,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        count(distinct active_date) as active_days,
        cast(sum(calls) as bigint) as calls,
        cast(sum(writes) as bigint) as writes,
        cast(sum(errors) as bigint) as errors,
        cast(sum(denied_calls) as bigint) as denied_calls,
        count(distinct principal) as principals,
        count(distinct aws_region) as regions,
        cast(sum(calls_without_time) as bigint) as calls_without_time
    from callers
    group by account_id
)
select
    totals.account_id,
    totals.first_seen,
    totals.last_seen,
    totals.active_days,
    totals.calls,
    totals.writes,
    totals.errors,
    totals.denied_calls,
    totals.principals,
    totals.regions,
    totals.calls_without_time,
    account_directory.account_name,
    account_directory.ou_path,
    account_directory.environment,
    account_directory.owner
from totals
left join account_directory
    on account_directory.account_id = totals.account_id
