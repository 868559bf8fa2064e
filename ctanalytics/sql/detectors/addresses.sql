-- Addresses that people and roles came from.
-- grain:  source_ip_address
-- reads:  principal_events
-- params: since, until (UTC, half-open)
select distinct
    source_ip_address
from principal_events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and network is not null
