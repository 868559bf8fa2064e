-- Calls that a service control policy refused: by account, region and API.
-- grain:  account_id, aws_region, event_source, event_name
-- reads:  events
select
    account_id,
    aws_region,
    event_source,
    event_name,
    count(*) as calls,
    count(distinct coalesce(principal_arn, actor)) as principals,
    max(event_time) as last_seen
from events
where error_message like '%service control policy%'
group by account_id, aws_region, event_source, event_name
order by calls desc, account_id, aws_region, event_source, event_name
