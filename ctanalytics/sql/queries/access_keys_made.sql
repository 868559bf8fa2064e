-- Who made access keys, for whom, from where.
-- grain:  account_id, event_id
-- reads:  events
select
    event_time,
    account_id,
    coalesce(principal_arn, actor) as made_by,
    regexp_extract(request_parameters, '"userName"\s*:\s*"([^"]+)"', 1) as for_user,
    regexp_extract(response_elements, '"accessKeyId"\s*:\s*"([^"]+)"', 1) as access_key_id,
    error_code,
    source_ip_address,
    event_id
from events
where event_source = 'iam.amazonaws.com'
  and event_name = 'CreateAccessKey'
order by event_time, event_id
