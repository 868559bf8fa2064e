-- Changes that somebody made by hand in the console.
-- grain:  account_id, event_id, resource
-- reads:  changes
-- params: top integer = 100
select
    event_time,
    account_id,
    environment,
    event_name,
    resource_kind,
    resource,
    principal,
    session_name,
    event_id
from changes
where tool = 'console'
order by event_time desc, event_id, resource_kind, resource
limit $top
