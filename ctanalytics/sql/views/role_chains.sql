-- How temporary credentials came about: each time STS or the console's sign-in gave somebody a key,
-- who asked, with which credentials, and who stands at the head of the chain.
-- Only what logs prove is linked: by the key id in the answer, and by the sharedEventID of the copies
-- in two accounts. Names link nothing. A key that two callers seem to have been given has no parent.
-- grain:  session_id
-- reads:  credential_events, account_directory
-- units:  event_time UTC; hop: hand-overs from the head of the chain to this session, from 1;
-- root_principal, root_from: as in credential_events, null where logs don't tell; path: the head,
-- then each session's ARN
with recursive copies as (
    select
        coalesce(shared_event_id, event_id) as issue_id,
        event_date,
        event_time,
        account_id,
        aws_region,
        event_id,
        event_name,
        source_ip_address,
        user_agent,
        access_key_id,
        session_id as caller_id,
        identity_type,
        identity_account_id,
        identity_arn,
        principal_id,
        root_principal,
        root_from,
        nullif(
            regexp_extract(response_elements, '"accessKeyId"\s*:\s*"([A-Za-z0-9]+)"', 1), ''
        ) as issued_key,
        nullif(
            regexp_extract(
                response_elements, '"(?:assumedRoleId|federatedUserId)"\s*:\s*"([^"\\]+)"', 1
            ),
            ''
        ) as issued_principal_id,
        nullif(
            regexp_extract(response_elements, '"arn"\s*:\s*"(arn:[^"\\]+)"', 1), ''
        ) as issued_arn,
        nullif(
            regexp_extract(request_parameters, '"roleArn"\s*:\s*"([^"\\]+)"', 1), ''
        ) as role_arn,
        nullif(
            regexp_extract(request_parameters, '"sourceIdentity"\s*:\s*"([^"\\]+)"', 1), ''
        ) as source_identity
    from credential_events
    where event_source in ('sts.amazonaws.com', 'signin.amazonaws.com', 'eks-auth.amazonaws.com')
      and event_name in (
          'AssumeRole',
          'AssumeRoleForPodIdentity',
          'AssumeRoleWithSAML',
          'AssumeRoleWithWebIdentity',
          'AssumeRoot',
          'GetFederationToken',
          'GetSessionToken',
          'GetSigninToken'
      )
      and not is_error
),
-- A call across accounts is logged in both: the caller's copy knows the caller's key.
merged as (
    select
        *,
        min(issued_key) over (partition by issue_id) as least_key,
        max(issued_key) over (partition by issue_id) as most_key
    from copies
    qualify row_number() over (
        partition by issue_id
        order by
            case when caller_id is null then 1 else 0 end,
            case when identity_arn is null then 1 else 0 end,
            account_id,
            event_id
    ) = 1
),
issues as (
    select
        *,
        most_key as session_id,
        min(coalesce(caller_id, principal_id)) over (partition by most_key)
            is distinct from max(coalesce(caller_id, principal_id)) over (partition by most_key)
            as is_doubtful
    from merged
    where most_key is not null
      and least_key = most_key
      and most_key is distinct from caller_id
    qualify row_number() over (
        partition by most_key
        order by
            case when caller_id is null then 1 else 0 end,
            event_time,
            event_id
    ) = 1
),
linked as (
    select
        issues.*,
        case when not issues.is_doubtful then issues.caller_id end as parent_session_id,
        not issues.is_doubtful and parent.session_id is not null as has_parent
    from issues
    left join issues as parent
        on parent.session_id = issues.caller_id
),
chains as (
    select
        session_id,
        1 as hop,
        case when not is_doubtful then root_principal end as root_principal,
        case when not is_doubtful then root_from end as root_from,
        case
            when is_doubtful then [coalesce(issued_arn, role_arn, session_id)]
            when root_principal is null or identity_arn is null or identity_arn = root_principal
                then [
                    coalesce(root_principal, identity_arn, principal_id, 'unknown'),
                    coalesce(issued_arn, role_arn, session_id)
                ]
            else [root_principal, identity_arn, coalesce(issued_arn, role_arn, session_id)]
        end as path
    from linked
    where not has_parent
    union all
    select
        linked.session_id,
        chains.hop + 1 as hop,
        chains.root_principal,
        chains.root_from,
        list_append(
            chains.path, coalesce(linked.issued_arn, linked.role_arn, linked.session_id)
        ) as path
    from linked
    inner join chains
        on chains.session_id = linked.parent_session_id
    where linked.has_parent
)
select
    linked.session_id,
    linked.event_date,
    linked.event_time,
    linked.event_id,
    linked.account_id,
    linked.aws_region,
    linked.event_name as issued_by,
    linked.parent_session_id,
    linked.has_parent as parent_is_issued,
    linked.identity_type as caller_type,
    linked.identity_account_id as caller_account_id,
    linked.identity_arn as caller_arn,
    linked.principal_id as caller_principal_id,
    linked.source_ip_address,
    linked.user_agent,
    linked.role_arn,
    linked.issued_arn,
    linked.issued_principal_id,
    split_part(coalesce(linked.issued_arn, linked.role_arn), ':', 5) as target_account_id,
    coalesce(
        linked.identity_account_id <> split_part(coalesce(linked.issued_arn, linked.role_arn), ':', 5),
        false
    ) as is_cross_account,
    linked.source_identity,
    chains.hop,
    chains.root_principal,
    chains.root_from,
    chains.path,
    account_directory.account_name,
    account_directory.environment
from linked
left join chains
    on chains.session_id = linked.session_id
left join account_directory
    on account_directory.account_id = linked.account_id
