-- Sessions whose beginning no log shows: their first key came from nowhere.
-- grain:  session_id
-- reads:  sessions
select
    session_id,
    account_id,
    principal_arn,
    session_name,
    first_seen,
    last_seen,
    calls
from sessions
where root_principal is null
order by first_seen, session_id
