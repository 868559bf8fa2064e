-- Which services each account uses.
-- grain:  account_id, event_source
-- reads:  services
-- params: top integer = 200
select
    account_id,
    account_name,
    event_source,
    calls,
    writes,
    apis,
    principals,
    regions,
    first_seen,
    last_seen
from services
order by account_id, calls desc, event_source
limit $top
