-- Who reads a resource, by its ARN, id or name.
-- grain:  principal, event_name
-- reads:  resource_events
-- params: resource text
select
    principal,
    event_name,
    count(*) as calls,
    count(*) filter (where is_error) as errors,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from resource_events
where resource = $resource
  and read_only
group by principal, event_name
order by calls desc, principal, event_name
