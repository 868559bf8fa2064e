-- Security group rules that let the whole internet in.
-- grain:  account_id, event_id
-- reads:  events
select
    event_time,
    account_id,
    aws_region,
    coalesce(principal_arn, actor) as principal,
    regexp_extract(request_parameters, '"groupId"\s*:\s*"([^"]+)"', 1) as group_id,
    regexp_extract(request_parameters, '"fromPort"\s*:\s*([0-9]+)', 1) as from_port,
    regexp_extract(request_parameters, '"toPort"\s*:\s*([0-9]+)', 1) as to_port,
    error_code,
    event_id
from events
where event_source = 'ec2.amazonaws.com'
  and event_name = 'AuthorizeSecurityGroupIngress'
  and regexp_matches(request_parameters, '"(?:0[.]0[.]0[.]0/0|::/0)"')
order by event_time, event_id
