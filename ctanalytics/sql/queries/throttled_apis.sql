-- APIs that were asked too fast, and by whom.
-- grain:  account_id, event_source, event_name, principal
-- reads:  events, error_classes
-- params: top integer = 20
select
    events.account_id,
    events.event_source,
    events.event_name,
    coalesce(events.principal_arn, events.actor) as principal,
    count(*) as throttled_calls,
    min(events.event_time) as first_seen,
    max(events.event_time) as last_seen
from events
inner join error_classes
    on error_classes.error_code = events.error_code
where error_classes.error_class = 'throttled'
group by
    events.account_id,
    events.event_source,
    events.event_name,
    coalesce(events.principal_arn, events.actor)
order by throttled_calls desc, events.account_id, events.event_source, events.event_name, principal
limit $top
