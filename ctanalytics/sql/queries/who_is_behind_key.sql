-- The chain behind an access key: who stands at its head, and every session on the way.
-- grain:  session_id
-- reads:  sessions
-- params: key text
select
    session_id,
    kind,
    root_principal,
    root_from,
    hop,
    path,
    source_identity,
    first_seen,
    last_seen,
    calls
from sessions
where session_id = $key
