-- Calls and errors of each hour that has any.
-- grain:  hour_start
-- reads:  events, error_classes
-- units:  calls, errors, denied_calls: counts per hour; hour_start UTC
-- params: since, until (UTC, half-open)
select
    date_trunc('hour', events.event_time) as hour_start,
    count(*) as calls,
    count(*) filter (where events.is_error) as errors,
    count(*) filter (where error_classes.error_class = 'denied') as denied_calls
from events
left join error_classes
    on error_classes.error_code = events.error_code
where events.event_date >= $since_date
  and events.event_date <= $until_date
  and events.event_time >= $since
  and events.event_time < $until
group by date_trunc('hour', events.event_time)
order by hour_start
