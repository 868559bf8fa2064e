-- Write calls that succeeded, one row for each resource that the call names: what was changed, when,
-- by whom and with which tool.
-- grain:  account_id, event_id, resource_kind, resource
-- reads:  resource_events, account_directory
-- units:  event_time UTC; tool: console, terraform, cloudformation, cdk, pulumi, cli, sdk, service,
-- other, unknown
select
    resource_events.event_date,
    resource_events.event_time,
    resource_events.account_id,
    resource_events.aws_region,
    resource_events.event_id,
    resource_events.resource_kind,
    resource_events.resource,
    resource_events.event_source,
    resource_events.event_name,
    resource_events.is_data,
    resource_events.principal_type,
    resource_events.principal,
    resource_events.session_name,
    resource_events.access_key_id,
    resource_events.source_ip_address,
    case
        when resource_events.invoked_by = 'cloudformation.amazonaws.com'
          or resource_events.user_agent = 'cloudformation.amazonaws.com' then 'cloudformation'
        when regexp_matches(
            resource_events.user_agent, '^(Mozilla/|console[.]amazonaws[.]com|signin[.]amazonaws[.]com|AWS Console|aws-internal/.* signin)'
        ) then 'console'
        when regexp_matches(resource_events.user_agent, '[Tt]erraform') then 'terraform'
        when regexp_matches(resource_events.user_agent, '[Pp]ulumi') then 'pulumi'
        when regexp_matches(resource_events.user_agent, 'aws-cdk|cdk/') then 'cdk'
        when regexp_matches(resource_events.user_agent, '^\[?aws-cli/') then 'cli'
        when resource_events.invoked_by is not null
          or resource_events.user_agent like '%.amazonaws.com' then 'service'
        when regexp_matches(
            resource_events.user_agent, '^\[?(Boto|Botocore|boto|aws-sdk|AWS-SDK|m/|APN)'
        ) then 'sdk'
        when resource_events.user_agent is null then 'unknown'
        else 'other'
    end as tool,
    account_directory.account_name,
    account_directory.environment
from resource_events
left join account_directory
    on account_directory.account_id = resource_events.account_id
where not resource_events.read_only
  and not resource_events.is_error
