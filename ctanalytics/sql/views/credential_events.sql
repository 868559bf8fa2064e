-- Calls made with an access key or a token, and what each alone tells of who stands behind it.
-- Where logs are cut with --since, the two days before are here too: sessions that began there
-- still act.
-- grain:  account_id, event_id
-- reads:  lake.events
-- units:  session_id: the access key id, else the id of an Identity Center token; root_from:
-- identity (the user or root itself), on_behalf_of (Identity Center's user id), saml, web_identity,
-- source_identity, sso_session_name (permission-set sessions bear the user's name), workload,
-- instance, service, account (all that a foreign caller shows); null: nothing tells
select
    event_date,
    event_time,
    event_time_status,
    account_id,
    aws_region,
    event_id,
    shared_event_id,
    event_source,
    event_name,
    read_only,
    is_error,
    error_code,
    source_ip_address,
    user_agent,
    request_parameters,
    response_elements,
    session_credential_from_console,
    access_key_id,
    coalesce(access_key_id, credential_id) as session_id,
    identity_type,
    identity_account_id,
    identity_arn,
    principal_id,
    principal_type,
    principal_arn,
    session_name,
    session_creation_time,
    session_issuer_arn,
    source_identity,
    on_behalf_of_user_id,
    invoked_by,
    mfa_authenticated,
    coalesce(in_scope_of_credentials_issued_to, in_scope_of_source_arn) as workload,
    ec2_role_delivery,
    case
        when identity_type in ('IAMUser', 'Root') then identity_arn
        when identity_type = 'FederatedUser' then session_issuer_arn
        when on_behalf_of_user_id is not null then on_behalf_of_user_id
        when identity_type in ('SAMLUser', 'WebIdentityUser') then coalesce(user_name, principal_id)
        when source_identity is not null then source_identity
        when principal_arn like '%:role/aws-reserved/sso.amazonaws.com/%' then session_name
        when in_scope_of_credentials_issued_to is not null then in_scope_of_credentials_issued_to
        when in_scope_of_source_arn is not null then in_scope_of_source_arn
        when ec2_role_delivery is not null and starts_with(session_name, 'i-') then session_name
        when identity_type = 'AWSService' then 'service:' || invoked_by
        when identity_type = 'AWSAccount' then concat_ws(':', 'account', identity_account_id, principal_id)
        when principal_arn like '%:role/aws-service-role/%' then 'service:' || invoked_by
    end as root_principal,
    case
        when identity_type in ('IAMUser', 'Root') then 'identity'
        when identity_type = 'FederatedUser' then 'identity'
        when on_behalf_of_user_id is not null then 'on_behalf_of'
        when identity_type = 'SAMLUser' then 'saml'
        when identity_type = 'WebIdentityUser' then 'web_identity'
        when source_identity is not null then 'source_identity'
        when principal_arn like '%:role/aws-reserved/sso.amazonaws.com/%' then 'sso_session_name'
        when in_scope_of_credentials_issued_to is not null then 'workload'
        when in_scope_of_source_arn is not null then 'workload'
        when ec2_role_delivery is not null and starts_with(session_name, 'i-') then 'instance'
        when identity_type = 'AWSService' then 'service'
        when identity_type = 'AWSAccount' then 'account'
        when principal_arn like '%:role/aws-service-role/%' then 'service'
    end as root_from
from lake.events
