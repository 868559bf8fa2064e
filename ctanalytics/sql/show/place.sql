-- When an event happened, found by its id in every account that logs it.
-- grain:  account_id, event_id
-- reads:  events
-- params: event_id
select
    account_id,
    event_id,
    event_date,
    event_time
from events
where event_id = $event_id
order by account_id
