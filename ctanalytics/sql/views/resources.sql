-- Each resource that calls name: who reads and changes it, since when.
-- grain:  account_id, resource_kind, resource
-- reads:  resource_events, account_directory
-- units:  calls, reads, writes, errors: counts; writes that succeeded only
with totals as (
    select
        account_id,
        resource_kind,
        resource,
        min(event_source) as event_source,
        count(*) as calls,
        count(*) filter (where read_only) as reads,
        count(*) filter (where not read_only and not is_error) as writes,
        count(*) filter (where is_error) as errors,
        count(distinct principal) as principals,
        min(event_time) as first_seen,
        max(event_time) as last_seen,
        max(case when not read_only and not is_error then event_time end) as last_changed,
        arg_max(principal, event_time) filter (where not read_only and not is_error)
            as last_changed_by
    from resource_events
    group by account_id, resource_kind, resource
)
select
    totals.account_id,
    totals.resource_kind,
    totals.resource,
    totals.event_source,
    totals.calls,
    totals.reads,
    totals.writes,
    totals.errors,
    totals.principals,
    totals.first_seen,
    totals.last_seen,
    totals.last_changed,
    totals.last_changed_by,
    account_directory.account_name,
    account_directory.environment
from totals
left join account_directory
    on account_directory.account_id = totals.account_id
