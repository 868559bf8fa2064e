-- Every credential in the case: those that the subject used, and those that came of them through
-- AssumeRole and its kin or CreateAccessKey, also where nobody used them.
-- grain:  session_id
-- reads:  subject_events, events, sessions, role_chains, account_directory
-- params: since, until (UTC, half-open), rows
-- units:  times UTC; calls, writes, denied_calls: counts; hop: hand-overs from the head of its chain;
-- issued_by: the API that gave it out
with used as (
    select
        session_id,
        max(relation) as relation,
        min(account_id) as account_id,
        max(coalesce(identity_arn, principal_arn, actor)) as identity_arn,
        min(event_time) as first_seen,
        max(event_time) as last_seen,
        count(*) as calls,
        count(*) filter (where not read_only) as writes,
        count(*) filter (where is_error) as errors,
        count(distinct account_id) as accounts,
        count(distinct source_ip_address) as source_ip_addresses
    from subject_events
    where session_id is not null
    group by session_id
),
issued as (
    select
        role_chains.session_id,
        role_chains.issued_by,
        role_chains.event_id as issue_event_id,
        role_chains.event_time as issued_at,
        role_chains.parent_session_id,
        role_chains.hop,
        role_chains.target_account_id as account_id,
        coalesce(role_chains.issued_arn, role_chains.role_arn) as identity_arn,
        role_chains.is_cross_account
    from role_chains
    where role_chains.parent_session_id in (select used.session_id from used)
       or role_chains.session_id in (select used.session_id from used)
       or role_chains.event_id in (select subject_events.event_id from subject_events)
    union all
    select
        regexp_extract(response_elements, '"accessKeyId"\s*:\s*"([A-Za-z0-9]+)"', 1) as session_id,
        event_name as issued_by,
        event_id as issue_event_id,
        event_time as issued_at,
        coalesce(access_key_id, credential_id) as parent_session_id,
        null as hop,
        account_id,
        coalesce(
            nullif(regexp_extract(response_elements, '"userName"\s*:\s*"([^"\\]+)"', 1), ''),
            identity_arn
        ) as identity_arn,
        false as is_cross_account
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and event_source = 'iam.amazonaws.com'
      and event_name = 'CreateAccessKey'
      and not is_error
      and (
          event_id in (select subject_events.event_id from subject_events)
          or regexp_extract(response_elements, '"accessKeyId"\s*:\s*"([A-Za-z0-9]+)"', 1)
          in (select used.session_id from used)
      )
      and regexp_matches(response_elements, '"accessKeyId"\s*:\s*"[A-Za-z0-9]+"')
),
credentials as (
    select
        coalesce(used.session_id, issued.session_id) as session_id,
        coalesce(used.relation, 'derived') as relation,
        coalesce(used.account_id, issued.account_id) as account_id,
        coalesce(used.identity_arn, issued.identity_arn) as identity_arn,
        issued.parent_session_id,
        issued.hop,
        issued.issued_by,
        issued.issued_at,
        issued.issue_event_id,
        issued.is_cross_account,
        used.first_seen,
        used.last_seen,
        coalesce(used.calls, 0) as calls,
        coalesce(used.writes, 0) as writes,
        coalesce(used.errors, 0) as errors,
        coalesce(used.source_ip_addresses, 0) as source_ip_addresses
    from used
    full outer join issued
        on issued.session_id = used.session_id
)
select
    credentials.session_id,
    credentials.relation,
    sessions.kind,
    credentials.identity_arn,
    credentials.account_id,
    account_directory.account_name,
    credentials.parent_session_id,
    coalesce(credentials.hop, sessions.hop) as hop,
    sessions.root_principal,
    sessions.root_from,
    credentials.issued_by,
    credentials.issued_at,
    credentials.issue_event_id,
    credentials.is_cross_account,
    credentials.first_seen,
    credentials.last_seen,
    credentials.calls,
    credentials.writes,
    credentials.errors,
    credentials.source_ip_addresses,
    count(*) over () as found
from credentials
left join sessions
    on sessions.session_id = credentials.session_id
left join account_directory
    on account_directory.account_id = credentials.account_id
order by
    case when credentials.relation = 'subject' then 0 else 1 end,
    credentials.writes desc,
    credentials.calls desc,
    credentials.issued_at,
    credentials.session_id
limit $rows
