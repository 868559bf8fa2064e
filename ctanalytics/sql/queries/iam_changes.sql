-- Changes to users, roles, groups and policies.
-- grain:  account_id, event_id
-- reads:  events
-- params: top integer = 100
select
    event_time,
    account_id,
    event_name,
    coalesce(principal_arn, actor) as principal,
    coalesce(
        nullif(regexp_extract(request_parameters, '"(?:userName|roleName|groupName)"\s*:\s*"([^"]+)"', 1), ''),
        nullif(regexp_extract(request_parameters, '"(?:policyName|policyArn)"\s*:\s*"([^"]+)"', 1), '')
    ) as target,
    error_code,
    source_ip_address,
    event_id
from events
where event_source = 'iam.amazonaws.com'
  and not read_only
order by event_time desc, event_id
limit $top
