-- Classes of events that accounts logged in a span: what selectors tell apart.
-- grain:  account_id, aws_region, category, resource_type, event_source, read_only
-- reads:  events
-- units:  events: count; first_event, last_event UTC; resource_type: of data events, as selectors
-- name it; event_source: of network activity events
-- params: since, until (UTC, half-open)
with classed as (
    select
        account_id,
        aws_region,
        event_time,
        case
            when event_category is not null then event_category
            when management_event = false then 'Data'
            else 'Management'
        end as category,
        case
            when event_category = 'Data' or management_event = false then
                case event_source
                    when 's3.amazonaws.com' then 'AWS::S3::Object'
                    when 'lambda.amazonaws.com' then 'AWS::Lambda::Function'
                    when 'dynamodb.amazonaws.com' then 'AWS::DynamoDB::Table'
                    else regexp_extract(resources, '"type"\s*:\s*"([^"\\]+)"', 1)
                end
        end as resource_type,
        case when event_category = 'NetworkActivity' then event_source end as event_source,
        coalesce(read_only, false) as read_only
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and event_time_status = 'ok'
      and account_id is not null
      and aws_region is not null
)
select
    account_id,
    aws_region,
    category,
    coalesce(resource_type, '') as resource_type,
    coalesce(event_source, '') as event_source,
    read_only,
    count(*) as events,
    min(event_time) as first_event,
    max(event_time) as last_event
from classed
where category in ('Management', 'Data', 'NetworkActivity')
group by
    account_id,
    aws_region,
    category,
    coalesce(resource_type, ''),
    coalesce(event_source, ''),
    read_only
order by account_id, aws_region, category, resource_type, event_source, read_only
