-- What one principal does: its calls by API and region.
-- grain:  event_source, event_name, aws_region
-- reads:  events
-- params: principal text, top integer = 20
select
    event_source,
    event_name,
    aws_region,
    count(*) as calls,
    count(*) filter (where is_error) as errors,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from events
where coalesce(principal_arn, actor) like $principal
group by event_source, event_name, aws_region
order by calls desc, event_source, event_name, aws_region
limit $top
