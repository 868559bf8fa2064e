-- How much happened in a span, in one row.
-- grain:  one row
-- reads:  events, error_classes
-- units:  events, writes, errors, denied_calls: counts; accounts, principals: distinct
-- params: since, until (UTC, half-open)
select
    count(*) as events,
    count(*) filter (where not coalesce(events.read_only, true)) as writes,
    count(*) filter (where events.is_error) as errors,
    count(*) filter (where error_classes.error_class = 'denied') as denied_calls,
    count(distinct events.account_id) as accounts,
    count(distinct coalesce(events.principal_arn, events.actor)) as principals
from events
left join error_classes
    on error_classes.error_code = events.error_code
where events.event_date >= $since_date
  and events.event_date <= $until_date
  and events.event_time >= $since
  and events.event_time < $until
