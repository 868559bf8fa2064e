-- What calls name by a name that is no ARN, kind by kind and account by account.
-- grain:  account_id, resource_kind
-- reads:  direct_events, resource_events
-- params: resource
select
    resource_events.account_id,
    resource_events.resource_kind,
    count(distinct resource_events.event_id) as calls
from direct_events
inner join resource_events
    on resource_events.account_id is not distinct from direct_events.account_id
    and resource_events.event_id = direct_events.event_id
where resource_events.resource = $resource
group by resource_events.account_id, resource_events.resource_kind
order by calls desc, resource_events.account_id, resource_events.resource_kind
