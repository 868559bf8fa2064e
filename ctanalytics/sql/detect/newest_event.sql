-- When the newest event with a believable time in the span happened.
-- grain:  one row
-- reads:  events
-- units:  newest_event UTC; null when there is none
-- params: since, until (UTC, half-open)
select
    max(event_time) as newest_event
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
