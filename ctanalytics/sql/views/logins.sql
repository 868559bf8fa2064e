-- Console sign-ins, one row each, with what AWS says of MFA and of failures.
-- AWS hides the user name of a failed sign-in whose name was wrong (people type passwords there);
-- such rows have no user_name and user_name_hidden set, and different people share them.
-- `without_mfa` is set where a root or IAM user got in with a password alone. Federated and
-- Identity Center users prove MFA elsewhere, so that AWS's "No" says nothing about them.
-- grain:  account_id, event_id
-- reads:  events, account_directory
-- units:  event_time UTC
with sign_ins as (
    select
        event_time,
        event_date,
        account_id,
        aws_region,
        event_id,
        principal_type,
        identity_type,
        principal_arn,
        user_name,
        source_ip_address,
        source_ip_kind,
        user_agent,
        error_code,
        error_message,
        -- Text search, not JSON functions: one record whose JSON an engine refuses (a lone
        -- surrogate) would fail the whole view. Inside a JSON text a quote is \", so that no
        -- value can pass for one of these keys.
        nullif(regexp_extract(response_elements, '"ConsoleLogin"\s*:\s*"([^"\\]*)"', 1), '')
            as outcome,
        nullif(regexp_extract(additional_event_data, '"MFAUsed"\s*:\s*"([^"\\]*)"', 1), '')
            as mfa_answer,
        nullif(regexp_extract(additional_event_data, '"MFAIdentifier"\s*:\s*"([^"\\]*)"', 1), '')
            as mfa_identifier,
        nullif(regexp_extract(additional_event_data, '"SamlProviderArn"\s*:\s*"([^"\\]*)"', 1), '')
            as saml_provider_arn
    from events
    where event_source = 'signin.amazonaws.com'
      and event_name = 'ConsoleLogin'
),
found as (
    select
        event_time,
        event_date,
        account_id,
        aws_region,
        event_id,
        principal_type,
        principal_arn,
        case when user_name <> 'HIDDEN_DUE_TO_SECURITY_REASONS' then user_name end as user_name,
        coalesce(user_name = 'HIDDEN_DUE_TO_SECURITY_REASONS', false) as user_name_hidden,
        source_ip_address,
        source_ip_kind,
        user_agent,
        case outcome
            when 'Success' then true
            when 'Failure' then false
        end as succeeded,
        case
            when outcome = 'Failure' then coalesce(error_message, error_code, 'no reason given')
        end as failure_reason,
        case mfa_answer
            when 'Yes' then true
            when 'No' then false
        end as mfa_used,
        mfa_identifier,
        saml_provider_arn,
        coalesce(
            outcome = 'Success'
            and mfa_answer = 'No'
            and saml_provider_arn is null
            and identity_type in ('IAMUser', 'Root'),
            false
        ) as without_mfa
    from sign_ins
)
select
    found.event_time,
    found.event_date,
    found.account_id,
    found.aws_region,
    found.event_id,
    found.principal_type,
    found.principal_arn,
    found.user_name,
    found.user_name_hidden,
    found.source_ip_address,
    found.source_ip_kind,
    found.user_agent,
    found.succeeded,
    found.failure_reason,
    found.mfa_used,
    found.mfa_identifier,
    found.saml_provider_arn,
    found.without_mfa,
    account_directory.account_name,
    account_directory.environment
from found
left join account_directory
    on account_directory.account_id = found.account_id
