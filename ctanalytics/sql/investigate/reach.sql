-- How far the lake's events reach, and whether a span holds any.
-- grain:  one row
-- reads:  events
-- params: since, until (UTC, half-open)
select
    min(event_time) as first_event,
    max(event_time) as last_event,
    count(*) filter (where event_time >= $since and event_time < $until) as events
from events
where event_time_status = 'ok'
