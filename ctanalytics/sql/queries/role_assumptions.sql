-- Who takes which role, how often, by which call.
-- grain:  caller, role_arn, issued_by
-- reads:  role_chains
-- params: top integer = 20
select
    coalesce(root_principal, caller_arn, caller_principal_id) as head,
    role_arn,
    issued_by,
    is_cross_account,
    count(*) as times,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from role_chains
group by
    coalesce(root_principal, caller_arn, caller_principal_id),
    role_arn,
    issued_by,
    is_cross_account
order by times desc, head, role_arn, issued_by
limit $top
