-- Credentials in use: each access key or Identity Center token, what was done with it, and the human
-- or workload at the head of its chain. Join a call to its session by
-- `session_id = coalesce(access_key_id, credential_id)`.
-- Long-lived keys count as one session each. What logs can't prove stays null.
-- grain:  session_id
-- reads:  credential_events, role_chains, error_classes, account_directory, user_directory,
-- lake.bounds
-- units:  times UTC; calls, writes, errors, denied_calls: counts; kind: long_lived, console, user,
-- role, federated, token, other; hop: hand-overs proven, 0 for who acts with credentials of his own;
-- root_principal, root_from: as in credential_events; path: from the head to this session;
-- sign_in_event_id: the one console sign-in at which it began
with used as (
    select
        credential_events.session_id,
        max(credential_events.access_key_id) as access_key_id,
        min(credential_events.account_id) as account_id,
        count(distinct credential_events.account_id) as accounts,
        max(credential_events.identity_type) as identity_type,
        max(credential_events.identity_account_id) as identity_account_id,
        max(credential_events.identity_arn) as identity_arn,
        max(credential_events.principal_id) as principal_id,
        max(credential_events.principal_type) as principal_type,
        max(credential_events.principal_arn) as principal_arn,
        max(credential_events.session_name) as session_name,
        max(credential_events.session_creation_time) as session_creation_time,
        max(credential_events.source_identity) as source_identity,
        max(credential_events.on_behalf_of_user_id) as on_behalf_of_user_id,
        max(credential_events.workload) as workload,
        bool_or(coalesce(credential_events.session_credential_from_console, false)) as from_console,
        bool_and(
            credential_events.invoked_by is not null
            or coalesce(credential_events.session_credential_from_console, false)
        ) as is_derived,
        bool_or(coalesce(credential_events.mfa_authenticated, false)) as mfa_authenticated,
        -- Of one key all calls tell the same; the least is only for what hostile logs hold.
        min(credential_events.root_principal) as own_root_principal,
        min(credential_events.root_from) as own_root_from,
        min(credential_events.event_time) as first_seen,
        max(credential_events.event_time) as last_seen,
        count(*) as calls,
        count(*) filter (where not credential_events.read_only) as writes,
        count(*) filter (where credential_events.is_error) as errors,
        count(*) filter (where error_classes.error_class = 'denied') as denied_calls,
        count(distinct credential_events.event_source) as services,
        count(distinct credential_events.aws_region) as regions,
        count(distinct credential_events.source_ip_address) as source_ip_addresses,
        count(distinct credential_events.user_agent) as user_agents
    from credential_events
    cross join lake.bounds
    left join error_classes
        on error_classes.error_code = credential_events.error_code
    where credential_events.session_id is not null
      and credential_events.event_time_status = 'ok'
      and (bounds.since is null or credential_events.event_time >= bounds.since)
      and (bounds.until is null or credential_events.event_time < bounds.until)
    group by credential_events.session_id
),
issues as (
    select
        session_id,
        event_id,
        event_time,
        issued_principal_id,
        parent_session_id,
        hop,
        root_principal,
        root_from,
        path
    from role_chains
),
-- All sessions that logs know, by what a key made from one of them has in common with it.
candidates as (
    select
        session_id,
        issued_principal_id as principal_id,
        event_time as began_at
    from issues
    union
    select
        session_id,
        principal_id,
        session_creation_time as began_at
    from used
    where not is_derived
),
-- Keys that the console or a service makes from a session: the session that alone fits.
twins as (
    select
        used.session_id,
        min(candidates.session_id) as original_id
    from used
    inner join candidates
        on candidates.principal_id = used.principal_id
       and candidates.began_at >= used.session_creation_time
       and candidates.began_at <= used.session_creation_time + interval 1 second
    where used.is_derived
    group by used.session_id
    having count(distinct candidates.session_id) = 1
),
sign_ins as (
    select
        used.session_id,
        min(credential_events.event_id) as event_id
    from used
    inner join credential_events
        on credential_events.identity_arn = used.identity_arn
       and credential_events.event_time >= used.session_creation_time - interval 5 seconds
       and credential_events.event_time <= used.session_creation_time + interval 60 seconds
    where credential_events.event_source = 'signin.amazonaws.com'
      and credential_events.event_name = 'ConsoleLogin'
      and not credential_events.is_error
      and used.from_console
    group by used.session_id
    having count(*) = 1
),
origins as (
    select
        used.*,
        coalesce(issued.session_id, twins.original_id) as chain_id,
        sign_ins.event_id as sign_in_event_id
    from used
    left join issues as issued
        on issued.session_id = used.session_id
    left join twins
        on twins.session_id = used.session_id
    left join sign_ins
        on sign_ins.session_id = used.session_id
)
select
    origins.session_id,
    case
        when starts_with(origins.session_id, 'AKIA') then 'long_lived'
        when origins.access_key_id is null then 'token'
        when origins.from_console then 'console'
        when origins.principal_type in ('user', 'root') then 'user'
        when origins.principal_type in ('role', 'federated') then origins.principal_type
        else 'other'
    end as kind,
    origins.account_id,
    origins.accounts,
    origins.identity_account_id,
    origins.principal_type,
    origins.principal_arn,
    origins.identity_arn,
    origins.session_name,
    issues.parent_session_id,
    coalesce(issues.hop, 0) as hop,
    -- A service or a foreign account at the head says less than what the session itself bears.
    case
        when issues.root_from not in ('service', 'account')
          or origins.own_root_principal is null then issues.root_principal
        else origins.own_root_principal
    end as root_principal,
    case
        when issues.root_from not in ('service', 'account')
          or origins.own_root_principal is null then issues.root_from
        else origins.own_root_from
    end as root_from,
    coalesce(
        issues.path,
        case
            when origins.own_root_principal is null
              or origins.own_root_principal = origins.identity_arn
                then [coalesce(origins.identity_arn, origins.session_id)]
            else [
                origins.own_root_principal, coalesce(origins.identity_arn, origins.session_id)
            ]
        end
    ) as path,
    origins.source_identity,
    origins.on_behalf_of_user_id,
    origins.workload,
    origins.sign_in_event_id,
    issues.event_id as issue_event_id,
    origins.session_creation_time,
    origins.first_seen,
    origins.last_seen,
    origins.mfa_authenticated,
    origins.calls,
    origins.writes,
    origins.errors,
    origins.denied_calls,
    origins.services,
    origins.regions,
    origins.source_ip_addresses,
    origins.user_agents,
    account_directory.account_name,
    account_directory.environment,
    user_directory.user_name as on_behalf_of_user_name
from origins
left join issues
    on issues.session_id = origins.chain_id
left join account_directory
    on account_directory.account_id = origins.account_id
left join user_directory
    on user_directory.user_id = origins.on_behalf_of_user_id
