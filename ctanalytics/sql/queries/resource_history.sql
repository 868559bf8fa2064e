-- Everything that changed a resource, by its ARN, id or name.
-- grain:  account_id, event_id, resource
-- reads:  changes
-- params: resource text
select
    event_time,
    account_id,
    event_name,
    principal,
    session_name,
    tool,
    source_ip_address,
    resource_kind,
    resource,
    event_id
from changes
where resource = $resource
order by event_time, event_id, resource_kind
