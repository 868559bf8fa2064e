-- Who acted for the first time in the last days of the lake.
-- grain:  account_id, principal
-- reads:  users
-- params: days integer = 7
select
    account_id,
    account_name,
    principal_type,
    principal,
    first_seen,
    calls,
    writes,
    denied_calls
from users
where first_seen > (select max(last_seen) from users) - to_days($days)
order by first_seen desc, account_id, principal
