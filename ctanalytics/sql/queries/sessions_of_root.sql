-- All sessions that lead back to one person or workload.
-- grain:  session_id
-- reads:  sessions
-- params: root text, top integer = 200
select
    session_id,
    kind,
    account_id,
    principal_arn,
    session_name,
    hop,
    first_seen,
    last_seen,
    calls,
    writes,
    denied_calls
from sessions
where root_principal like $root
order by first_seen, session_id
limit $top
