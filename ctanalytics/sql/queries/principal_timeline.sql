-- Every call of a principal, the newest first.
-- grain:  account_id, event_id
-- reads:  events
-- params: principal text, top integer = 100
select
    event_time,
    account_id,
    aws_region,
    event_source,
    event_name,
    error_code,
    source_ip_address,
    session_name,
    event_id
from events
where coalesce(principal_arn, actor) like $principal
order by event_time desc, event_id
limit $top
