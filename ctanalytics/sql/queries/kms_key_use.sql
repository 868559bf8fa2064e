-- Who works with which KMS key.
-- grain:  key, principal, event_name
-- reads:  resource_events
-- params: top integer = 20
select
    resource as key_arn,
    principal,
    event_name,
    count(*) as calls,
    count(*) filter (where is_error) as errors,
    max(event_time) as last_seen
from resource_events
where event_source = 'kms.amazonaws.com'
  and resource_kind = 'arn'
  and resource like '%:key/%'
group by resource, principal, event_name
order by calls desc, key_arn, principal, event_name
limit $top
