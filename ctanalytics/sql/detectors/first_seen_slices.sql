-- What principals did on each day, once for each API, place, program and credential of it.
-- grain:  principal_key, event_date, api, aws_region, network, country, agent, assumed_role_arn,
--         account_id, person
-- reads:  principal_events, address_places (registered), marked_days
-- units:  first_at UTC; calls: count
-- params: since, until, recent_since (UTC, half-open; of root and the console all is read, of others from
-- recent_since on)
select
    principal_events.principal_key,
    principal_events.history_key,
    principal_events.peer_class,
    max(principal_events.principal_arn) as principal_arn,
    principal_events.event_date,
    principal_events.event_source || ':' || principal_events.event_name as api,
    principal_events.aws_region,
    coalesce(address_places.network, principal_events.network) as network,
    address_places.country,
    principal_events.agent,
    principal_events.assumed_role_arn,
    principal_events.account_id,
    principal_events.person,
    bool_or(principal_events.is_console or principal_events.peer_class = 'root') as looks_far,
    bool_or(coalesce(marked_days.is_confirmed, false)) as is_confirmed,
    bool_or(marked_days.event_date is not null) as is_marked,
    min(principal_events.event_time) as first_at,
    count(*) as calls
from principal_events
left join address_places
    on address_places.address = principal_events.source_ip_address
left join marked_days
    on marked_days.principal_key = principal_events.principal_key
   and marked_days.event_date = principal_events.event_date
where principal_events.event_date >= $since_date
  and principal_events.event_date <= $until_date
  and principal_events.event_time >= $since
  and principal_events.event_time < $until
  and (
      principal_events.event_time >= $recent_since
      or principal_events.is_console
      or principal_events.peer_class = 'root'
  )
group by
    principal_events.principal_key,
    principal_events.history_key,
    principal_events.peer_class,
    principal_events.event_date,
    principal_events.event_source || ':' || principal_events.event_name,
    principal_events.aws_region,
    coalesce(address_places.network, principal_events.network),
    address_places.country,
    principal_events.agent,
    principal_events.assumed_role_arn,
    principal_events.account_id,
    principal_events.person
