-- Who is refused what, and by which kind of policy.
-- grain:  account_id, principal, event_source, event_name, error_code, denied_by
-- reads:  denied
-- params: top integer = 20
select
    account_id,
    principal,
    event_source,
    event_name,
    denied_by,
    calls,
    first_seen,
    last_seen
from denied
order by calls desc, account_id, principal, event_source, event_name, denied_by
limit $top
