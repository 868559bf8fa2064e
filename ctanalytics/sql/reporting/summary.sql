-- The span in one row: how much happened, by how many, where.
-- grain:  one row
-- reads:  events, error_classes
-- units:  events, writes, errors, denied_calls: counts; first_event, last_event UTC
-- params: since, until (UTC, half-open)
with slices as (
    select
        events.account_id,
        events.aws_region,
        events.event_source,
        events.event_name,
        coalesce(events.principal_arn, events.actor) as principal,
        min(events.event_time) as first_event,
        max(events.event_time) as last_event,
        count(*) as calls,
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
        events.account_id,
        events.aws_region,
        events.event_source,
        events.event_name,
        coalesce(events.principal_arn, events.actor)
),
apis as (
    select distinct
        event_source,
        event_name
    from slices
)
select
    cast(coalesce(sum(calls), 0) as bigint) as events,
    cast(coalesce(sum(writes), 0) as bigint) as writes,
    cast(coalesce(sum(errors), 0) as bigint) as errors,
    cast(coalesce(sum(denied_calls), 0) as bigint) as denied_calls,
    count(distinct account_id) as accounts,
    count(distinct aws_region) as regions,
    count(distinct principal) as principals,
    (select count(*) from apis) as apis,
    min(first_event) as first_event,
    max(last_event) as last_event
from slices
