-- Roles that other accounts take, and which accounts.
-- grain:  target_account_id, role_arn, caller_account_id
-- reads:  role_chains
select
    target_account_id,
    role_arn,
    caller_account_id,
    count(*) as times,
    count(distinct caller_principal_id) as callers,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from role_chains
where is_cross_account
group by target_account_id, role_arn, caller_account_id
order by target_account_id, role_arn, caller_account_id
