-- The times of the first and the last event of the lake, from the files of two days alone.
-- grain:  one row
-- reads:  events
-- params: first_date, last_date
select
    min(event_time) as first_event,
    max(event_time) as last_event
from events
where event_date in ($first_date, $last_date)
  and event_time >= cast($first_date as timestamp)
  and event_time < cast($last_date as timestamp) + interval 1 day
