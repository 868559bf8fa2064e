-- Each API that was called: how often, by how many, and whether it reads or writes.
-- grain:  event_source, event_name
-- reads:  events, error_classes, sensitive_apis
-- units:  calls, reads, writes, errors, denied_calls: counts; error_codes: distinct ones; access:
-- read, write, mixed, unknown; sensitivity: as in sensitive_apis, null for most
with callers as (
    select
        events.event_source,
        events.event_name,
        events.account_id,
        events.error_code,
        coalesce(events.principal_arn, events.actor) as principal,
        min(case when events.event_time_status = 'ok' then events.event_time end) as first_seen,
        max(case when events.event_time_status = 'ok' then events.event_time end) as last_seen,
        count(*) as calls,
        count(*) filter (where events.read_only) as reads,
        count(*) filter (where not events.read_only) as writes,
        count(*) filter (where events.is_error) as errors,
        count(*) filter (where error_classes.error_class = 'denied') as denied_calls
    from events
    left join error_classes
        on error_classes.error_code = events.error_code
    group by
        events.event_source,
        events.event_name,
        events.account_id,
        events.error_code,
        coalesce(events.principal_arn, events.actor)
),
totals as (
    select
        event_source,
        event_name,
        case
            when sum(reads) > 0 and sum(writes) > 0 then 'mixed'
            when sum(writes) > 0 then 'write'
            when sum(reads) > 0 then 'read'
            else 'unknown'
        end as access,
        cast(sum(calls) as bigint) as calls,
        cast(sum(reads) as bigint) as reads,
        cast(sum(writes) as bigint) as writes,
        cast(sum(errors) as bigint) as errors,
        cast(sum(denied_calls) as bigint) as denied_calls,
        count(distinct principal) as principals,
        count(distinct account_id) as accounts,
        count(distinct error_code) as error_codes,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen
    from callers
    group by event_source, event_name
)
select
    totals.event_source,
    totals.event_name,
    totals.access,
    totals.calls,
    totals.reads,
    totals.writes,
    totals.errors,
    totals.denied_calls,
    totals.error_codes,
    totals.principals,
    totals.accounts,
    totals.first_seen,
    totals.last_seen,
    sensitive_apis.sensitivity
from totals
left join sensitive_apis
    on sensitive_apis.event_source = totals.event_source
   and sensitive_apis.event_name = totals.event_name
