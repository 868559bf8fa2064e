-- New users, keys, passwords and trust: what an intruder leaves behind.
-- grain:  account_id, event_id
-- reads:  events
select
    events.event_time,
    events.account_id,
    events.event_name,
    coalesce(events.principal_arn, events.actor) as principal,
    regexp_extract(events.request_parameters, '"(?:userName|roleName)"\s*:\s*"([^"]+)"', 1) as target,
    events.error_code,
    events.source_ip_address,
    events.event_id
from events
where events.event_source = 'iam.amazonaws.com'
  and events.event_name in (
      'CreateAccessKey', 'CreateLoginProfile', 'CreateOpenIDConnectProvider',
      'CreateSAMLProvider', 'CreateUser', 'UpdateAssumeRolePolicy', 'UpdateLoginProfile'
  )
order by events.event_time, events.event_id
