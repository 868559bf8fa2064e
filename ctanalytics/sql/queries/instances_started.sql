-- Who starts machines, of which type, how many, where.
-- grain:  account_id, aws_region, principal, instance_type
-- reads:  events
-- params: top integer = 20
select
    account_id,
    aws_region,
    coalesce(principal_arn, actor) as principal,
    regexp_extract(request_parameters, '"instanceType"\s*:\s*"([^"]+)"', 1) as instance_type,
    count(*) as calls,
    count(*) filter (where is_error) as errors,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from events
where event_source = 'ec2.amazonaws.com'
  and event_name = 'RunInstances'
group by
    account_id,
    aws_region,
    coalesce(principal_arn, actor),
    regexp_extract(request_parameters, '"instanceType"\s*:\s*"([^"]+)"', 1)
order by calls desc, account_id, aws_region, principal, instance_type
limit $top
