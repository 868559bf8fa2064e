-- Principals who were refused at many different APIs within an hour.
-- grain:  account_id, principal, hour
-- reads:  events, error_classes
-- params: apis integer = 4
select
    events.account_id,
    coalesce(events.principal_arn, events.actor) as principal,
    date_trunc('hour', events.event_time) as hour,
    count(distinct events.event_name) as apis,
    count(*) as denied_calls,
    min(events.event_time) as first_seen,
    max(events.event_time) as last_seen
from events
inner join error_classes
    on error_classes.error_code = events.error_code
where error_classes.error_class = 'denied'
group by
    events.account_id,
    coalesce(events.principal_arn, events.actor),
    date_trunc('hour', events.event_time)
having count(distinct events.event_name) >= $apis
order by denied_calls desc, hour, principal
