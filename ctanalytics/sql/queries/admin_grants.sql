-- Policies with full power that were attached, or tried to be.
-- grain:  account_id, event_id
-- reads:  events
select
    event_time,
    account_id,
    event_name,
    coalesce(principal_arn, actor) as principal,
    regexp_extract(request_parameters, '"(?:userName|roleName|groupName)"\s*:\s*"([^"]+)"', 1) as target,
    regexp_extract(request_parameters, '"policyArn"\s*:\s*"([^"]+)"', 1) as policy_arn,
    error_code,
    event_id
from events
where event_source = 'iam.amazonaws.com'
  and event_name in ('AttachUserPolicy', 'AttachRolePolicy', 'AttachGroupPolicy')
  and regexp_matches(request_parameters, '(AdministratorAccess|PowerUserAccess|IAMFullAccess)"')
order by event_time, event_id
