-- Credentials that came of the subject's calls, and of those credentials again: what follows from
-- what role_chains proves, from the keys that CreateAccessKey made, and the keys that services and the
-- console made from one of these sessions.
-- grain:  session_id
-- reads:  direct_events, role_chains, sessions, lake.events
-- params: owns_sessions (whether all calls with the subject's credentials are the subject's)
with recursive links as (
    select
        session_id,
        parent_session_id,
        account_id,
        event_id
    from role_chains
    union all
    select
        regexp_extract(response_elements, '"accessKeyId"\s*:\s*"([A-Za-z0-9]+)"', 1) as session_id,
        coalesce(access_key_id, credential_id) as parent_session_id,
        account_id,
        event_id
    from lake.events
    where event_source = 'iam.amazonaws.com'
      and event_name = 'CreateAccessKey'
      and not is_error
),
direct as (
    select
        account_id,
        event_id,
        coalesce(access_key_id, credential_id) as session_id,
        coalesce(shared_event_id, event_id) as action_id
    from direct_events
),
-- A call across accounts has a copy in each; role_chains names one of them.
copies as (
    select
        account_id,
        event_id
    from lake.events
    where coalesce(shared_event_id, event_id) in (select direct.action_id from direct)
),
derived as (
    select
        links.session_id
    from links
    inner join copies
        on copies.account_id is not distinct from links.account_id
        and copies.event_id = links.event_id
    where links.session_id <> ''
    union
    select
        links.session_id
    from links
    inner join derived
        on derived.session_id = links.parent_session_id
    where links.session_id <> ''
),
-- The session that a service's key stands for: that of the same issue.
twins as (
    select
        sessions.session_id
    from sessions
    inner join links
        on links.event_id = sessions.issue_event_id
        and links.session_id <> sessions.session_id
    where links.session_id in (select derived.session_id from derived)
       or ($owns_sessions and links.session_id in (select direct.session_id from direct))
),
followed as (
    select
        session_id
    from derived
    union
    select
        session_id
    from twins
)
select
    session_id
from followed
where session_id not in (select direct.session_id from direct where direct.session_id is not null)
   or not $owns_sessions
order by session_id
