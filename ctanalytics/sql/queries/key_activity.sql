-- Every call made with an access key, in order.
-- grain:  account_id, event_id
-- reads:  events
-- params: key text, top integer = 1000
select
    event_time,
    account_id,
    aws_region,
    event_source,
    event_name,
    error_code,
    source_ip_address,
    user_agent,
    event_id
from events
where access_key_id = $key
order by event_time, event_id
limit $top
