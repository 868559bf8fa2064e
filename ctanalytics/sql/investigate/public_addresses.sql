-- All addresses that a span's calls came from.
-- grain:  source_ip_address
-- reads:  events
-- params: since, until (UTC, half-open)
select distinct
    source_ip_address
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and source_ip_address is not null
