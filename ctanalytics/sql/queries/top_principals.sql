-- Who calls most.
-- grain:  account_id, principal
-- reads:  users
-- params: top integer = 20
select
    account_id,
    account_name,
    principal,
    principal_type,
    calls,
    writes,
    errors,
    denied_calls,
    last_seen
from users
order by calls desc, account_id, principal
limit $top
