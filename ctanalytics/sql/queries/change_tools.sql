-- With which tools each account is changed.
-- grain:  account_id, tool
-- reads:  changes
select
    account_id,
    tool,
    count(distinct event_id) as calls,
    count(distinct principal) as principals,
    max(event_time) as last_seen
from changes
group by account_id, tool
order by account_id, calls desc, tool
