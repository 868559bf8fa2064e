-- Calls that touch identities, secrets, keys, guards or sharing, by who.
-- grain:  sensitivity, event_source, event_name, principal
-- reads:  events, sensitive_apis
-- params: top integer = 50
select
    sensitive_apis.sensitivity,
    events.event_source,
    events.event_name,
    events.account_id,
    coalesce(events.principal_arn, events.actor) as principal,
    count(*) as calls,
    count(*) filter (where events.is_error) as errors,
    max(events.event_time) as last_seen
from events
inner join sensitive_apis
    on sensitive_apis.event_source = events.event_source
   and sensitive_apis.event_name = events.event_name
group by
    sensitive_apis.sensitivity,
    events.event_source,
    events.event_name,
    events.account_id,
    coalesce(events.principal_arn, events.actor)
order by calls desc, events.event_source, events.event_name, events.account_id, principal
limit $top
