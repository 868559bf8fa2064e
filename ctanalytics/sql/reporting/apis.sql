-- The APIs with the most calls in the span.
-- grain:  event_source, event_name
-- reads:  events, error_classes
-- units:  calls, writes, errors, denied_calls: counts; found: APIs in all
-- params: since, until (UTC, half-open), top
with slices as (
    select
        events.event_source,
        events.event_name,
        events.account_id,
        coalesce(events.principal_arn, events.actor) as principal,
        count(*) as calls,
        count(*) filter (where events.read_only) as reads,
        count(*) filter (where not events.read_only) as writes,
        count(*) filter (where events.is_error) as errors,
        count(*) filter (where error_classes.error_class = 'denied') as denied_calls
    from events
    left join error_classes
        on error_classes.error_code = events.error_code
    where events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
    group by
        events.event_source,
        events.event_name,
        events.account_id,
        coalesce(events.principal_arn, events.actor)
)
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
    cast(sum(errors) as bigint) as errors,
    cast(sum(denied_calls) as bigint) as denied_calls,
    count(distinct principal) as principals,
    count(distinct account_id) as accounts,
    count(*) over () as found
from slices
group by event_source, event_name
order by calls desc, event_source, event_name
limit $top
