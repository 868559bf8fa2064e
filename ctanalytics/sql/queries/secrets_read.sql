-- Who reads secrets and parameters, which, how often.
-- grain:  account_id, principal, secret
-- reads:  events
-- params: top integer = 20
select
    account_id,
    coalesce(principal_arn, actor) as principal,
    event_name,
    regexp_extract(request_parameters, '"(?:secretId|name)"\s*:\s*"([^"]+)"', 1) as secret,
    count(*) as calls,
    count(distinct source_ip_address) as source_ip_addresses,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from events
where event_name in ('GetSecretValue', 'BatchGetSecretValue', 'GetParameter', 'GetParameters')
group by
    account_id,
    coalesce(principal_arn, actor),
    event_name,
    regexp_extract(request_parameters, '"(?:secretId|name)"\s*:\s*"([^"]+)"', 1)
order by calls desc, account_id, principal, event_name, secret
limit $top
