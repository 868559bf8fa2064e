-- Calls of people, roles and workloads, with what behaviour is counted by: a key for each
-- principal, the network, the program. Left out: AWS services acting for themselves or on
-- someone's behalf (invokedBy; the console's own signin.amazonaws.com stays), and rows whose
-- time is not ok.
-- The sessions of a role count as the role. A caller without an ARN goes by type, account and
-- actor. Roles that one party rolls out over many accounts under one name (permission sets,
-- Control Tower, service-linked, StackSets) share a history_key; others have their own.
-- grain:  account_id, event_id
-- reads:  events, error_classes
-- units:  network: IPv4 /24 or IPv6 /48, null for a name; agent: the program that leads the user
-- agent, lower case; peer_class: root, user, federated, service_linked, role, other or role:NAME;
-- event_hour 0-23 UTC; error_class as in error_classes, other where it has no row; person: the human
-- or foreign account behind the call as far as the call itself tells, null for workloads
with named as (
    select
        events.event_date,
        events.event_time,
        events.event_hour,
        events.event_dow,
        events.event_id,
        events.account_id,
        events.identity_account_id,
        nullif(events.principal_arn, '') as principal_arn,
        events.principal_type,
        coalesce(
            nullif(events.principal_arn, ''),
            concat_ws(
                ':',
                coalesce(events.principal_type, 'unknown'),
                events.account_id,
                coalesce(events.actor, events.principal_id)
            )
        ) as principal_key,
        case
            when events.principal_type = 'role'
                then regexp_extract(events.principal_arn, '([^/]+)$', 1)
        end as role_name,
        coalesce(events.event_source, '') as event_source,
        coalesce(events.event_name, '') as event_name,
        events.aws_region,
        events.source_ip_address,
        events.source_ip_kind,
        case
            when events.source_ip_kind = 'ipv6'
                then string_split(split_part(lower(events.source_ip_address), '::', 1), ':')
        end as leading_groups,
        events.user_agent,
        events.access_key_id,
        events.error_code,
        events.is_error,
        case
            when error_classes.error_class is not null then error_classes.error_class
            when events.is_error then 'other'
        end as error_class,
        coalesce(
            not events.read_only,
            not regexp_matches(
                coalesce(events.event_name, ''), '^(Get|List|Describe|Head|BatchGet|Lookup|Search)'
            )
        ) as is_write,
        coalesce(events.event_category = 'Data', not events.management_event, false) as is_data,
        coalesce(
            events.event_type in ('AwsConsoleSignIn', 'AwsConsoleAction')
            or events.session_credential_from_console
            or regexp_matches(events.user_agent, '^(console|signin)[.]amazonaws[.]com|^Mozilla/'),
            false
        ) as is_console,
        events.event_type,
        events.identity_type,
        events.on_behalf_of_user_id,
        events.source_identity,
        events.session_name,
        events.request_parameters,
        events.additional_event_data
    from events
    left join error_classes
        on error_classes.error_code = events.error_code
    where events.event_time_status = 'ok'
      and coalesce(events.principal_type, '') <> 'service'
      and coalesce(events.invoked_by, 'signin.amazonaws.com') = 'signin.amazonaws.com'
),
classed as (
    select
        *,
        coalesce(starts_with(role_name, 'AWSServiceRoleFor'), false)
        or coalesce(contains(principal_arn, ':role/aws-service-role/'), false) as is_service_linked,
        case
            when starts_with(role_name, 'AWSReservedSSO_')
                then regexp_replace(role_name, '_[0-9a-f]{16}$', '')
            when regexp_matches(role_name, '^(AWSServiceRoleFor|AWSControlTower|aws-controltower-|AWSCloudFormationStackSetExecutionRole|stacksets-exec-)')
                then regexp_replace(role_name, '^(stacksets-exec)-.*$', '\1')
        end as shared_role_name
    from named
)
select
    event_date,
    event_time,
    event_hour,
    event_dow,
    event_id,
    account_id,
    identity_account_id,
    principal_arn,
    principal_type,
    principal_key,
    coalesce('role:' || shared_role_name, principal_key) as history_key,
    case
        when principal_type = 'root' then 'root'
        when is_service_linked then 'service_linked'
        when shared_role_name is not null then 'role:' || shared_role_name
        when principal_type in ('user', 'role') then principal_type
        when principal_type in ('federated', 'identity_center') then 'federated'
        else 'other'
    end as peer_class,
    event_source,
    event_name,
    aws_region,
    source_ip_address,
    case
        when source_ip_kind = 'ipv4'
            then regexp_extract(source_ip_address, '^[0-9]+[.][0-9]+[.][0-9]+', 0) || '.0/24'
        when source_ip_kind = 'ipv6'
            then concat(
                coalesce(nullif(ltrim(leading_groups[1], '0'), ''), '0'),
                ':',
                coalesce(nullif(ltrim(leading_groups[2], '0'), ''), '0'),
                ':',
                coalesce(nullif(ltrim(leading_groups[3], '0'), ''), '0'),
                '::/48'
            )
    end as network,
    user_agent,
    case
        when user_agent is null then null
        when regexp_matches(user_agent, '[Tt]erraform') then 'terraform'
        when starts_with(user_agent, 'Mozilla/') then 'browser'
        else coalesce(
            nullif(lower(regexp_extract(user_agent, '^\[?([A-Za-z0-9._-]{1,40})', 1)), ''), 'other'
        )
    end as agent,
    access_key_id,
    error_code,
    is_error,
    error_class,
    is_write,
    is_data,
    is_console,
    case
        when event_name in ('AssumeRole', 'AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity')
         and event_source = 'sts.amazonaws.com'
            then nullif(
                regexp_extract(request_parameters, '"roleArn"\s*:\s*"([^"]+)"', 1), ''
            )
    end as assumed_role_arn,
    case
        when on_behalf_of_user_id is not null then on_behalf_of_user_id
        when source_identity is not null then source_identity
        when contains(principal_arn, ':role/aws-reserved/sso.amazonaws.com/') then session_name
        when principal_type in ('user', 'root', 'federated', 'identity_center')
          or identity_type = 'AWSAccount' then principal_key
    end as person,
    event_name = 'ConsoleLogin'
    and principal_type in ('user', 'root')
    and not is_error
    and coalesce(regexp_matches(additional_event_data, '"MFAUsed"\s*:\s*"No"'), false) as is_sign_in_without_mfa
from classed
