-- The session that a key or token makes, as far as the logs of a span show it.
-- grain:  session_id
-- reads:  sessions
-- params: session_id
select
    session_id,
    kind,
    root_principal,
    root_from,
    hop,
    path,
    source_identity,
    workload,
    parent_session_id,
    sign_in_event_id,
    issue_event_id,
    first_seen,
    last_seen,
    calls,
    writes,
    denied_calls
from sessions
where session_id = $session_id
