-- Event sources of which there are data events.
-- grain:  event_source
-- reads:  events
-- params: since, until
select distinct
    event_source
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and coalesce(event_category = 'Data', not management_event, false)
order by event_source
