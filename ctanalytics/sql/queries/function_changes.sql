-- Lambda functions made, changed or opened to others.
-- grain:  account_id, event_id
-- reads:  events
-- params: top integer = 100
select
    event_time,
    account_id,
    event_name,
    regexp_extract(request_parameters, '"functionName"\s*:\s*"([^"]+)"', 1) as function_name,
    coalesce(principal_arn, actor) as principal,
    source_ip_address,
    error_code,
    event_id
from events
where event_source = 'lambda.amazonaws.com'
  and regexp_matches(event_name, '^(Create|Update|Delete|Add|Remove|Publish|Put)')
  and coalesce(event_category, 'Management') = 'Management'
order by event_time desc, event_id
limit $top
