-- Who the subject's own calls were made as, by number of calls, and who stands behind that.
-- grain:  principal, root_principal
-- reads:  subject_events, sessions
-- params: rows
-- units:  calls: count; root_principal, root_from: as in sessions
with named as (
    select
        coalesce(subject_events.principal_arn, subject_events.actor, subject_events.principal_id) as principal,
        subject_events.principal_type,
        coalesce(sessions.root_principal, subject_events.source_identity) as root_principal,
        sessions.root_from,
        subject_events.event_time
    from subject_events
    left join sessions
        on sessions.session_id = subject_events.session_id
    where subject_events.relation = 'subject'
)
select
    principal,
    max(principal_type) as principal_type,
    root_principal,
    max(root_from) as root_from,
    count(*) as calls,
    min(event_time) as first_seen,
    max(event_time) as last_seen,
    count(*) over () as found
from named
group by principal, root_principal
order by calls desc, principal, root_principal
limit $rows
