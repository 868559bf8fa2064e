-- Shells and commands on machines through Systems Manager.
-- grain:  account_id, event_id
-- reads:  events
-- params: top integer = 100
select
    event_time,
    account_id,
    event_name,
    regexp_extract(request_parameters, '"target"\s*:\s*"([^"]+)"', 1) as target,
    coalesce(principal_arn, actor) as principal,
    session_name,
    source_ip_address,
    error_code,
    event_id
from events
where event_source = 'ssm.amazonaws.com'
  and event_name in ('StartSession', 'SendCommand', 'ResumeSession')
order by event_time desc, event_id
limit $top
