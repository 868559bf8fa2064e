-- Callers whose identity belongs to another account than the one that logs the call.
-- grain:  account_id, identity_account_id, principal
-- reads:  events
select
    account_id,
    identity_account_id,
    coalesce(principal_arn, actor) as principal,
    count(*) as calls,
    count(distinct event_name) as apis,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from events
where identity_account_id <> account_id
group by account_id, identity_account_id, coalesce(principal_arn, actor)
order by calls desc, account_id, identity_account_id, principal
