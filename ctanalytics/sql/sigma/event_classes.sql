-- The kinds of events that a lake has: API, account, and whether it is a data event.
-- grain:  account_id, event_source, event_name, is_data
-- reads:  events
select distinct
    account_id,
    event_source,
    event_name,
    coalesce(event_category = 'Data', not management_event, false) as is_data
from events
where event_date >= date '1970-01-01'
  and event_time >= timestamptz '1970-01-01 00:00:00+00'
