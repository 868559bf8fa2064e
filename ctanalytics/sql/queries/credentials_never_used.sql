-- Temporary credentials that were given and never seen in use, by role.
-- grain:  role_arn, issued_by
-- reads:  role_chains, sessions
-- params: top integer = 20
select
    role_chains.role_arn,
    role_chains.issued_by,
    count(*) as given,
    count(*) filter (where sessions.session_id is null) as never_used
from role_chains
left join sessions
    on sessions.session_id = role_chains.session_id
group by role_chains.role_arn, role_chains.issued_by
order by never_used desc, role_chains.role_arn, role_chains.issued_by
limit $top
