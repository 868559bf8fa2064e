-- An event by its id, in every account that logs it, and the copies of the same action in others.
-- grain:  account_id, event_id
-- reads:  events
-- params: event_id
with named as (
    select
        event_date,
        event_time,
        account_id,
        event_id,
        shared_event_id
    from events
    where event_id = $event_id
)
select
    events.event_time,
    events.account_id,
    events.event_id,
    events.event_source,
    events.event_name,
    events.access_key_id,
    coalesce(events.access_key_id, events.credential_id) as session_id,
    events.identity_arn,
    events.actor
from events
inner join named
    on named.event_date = events.event_date
    and (
        (named.event_id = events.event_id and named.account_id is not distinct from events.account_id)
        or named.shared_event_id = events.shared_event_id
    )
order by events.account_id
