-- Calls of people from addresses whose place is known, but for those that lie on a day between two
-- others from the same address. AWS's own addresses are left out: who works through a machine there is
-- not there himself.
-- grain:  principal_key, person, event_id
-- reads:  principal_events, address_places (registered)
-- units:  radius_km: around the place, the address is within it; times UTC
-- params: since, until (UTC, half-open)
with placed as (
    select
        principal_events.principal_key,
        principal_events.principal_arn,
        principal_events.history_key,
        principal_events.person,
        principal_events.event_date,
        principal_events.event_time,
        principal_events.event_id,
        principal_events.source_ip_address,
        coalesce(address_places.network, principal_events.network) as network,
        address_places.country,
        address_places.city,
        address_places.latitude,
        address_places.longitude,
        coalesce(address_places.radius_km, 0) as radius_km,
        lag(principal_events.source_ip_address) over (person_calls) as address_before,
        lead(principal_events.source_ip_address) over (person_calls) as address_after
    from principal_events
    inner join address_places
        on address_places.address = principal_events.source_ip_address
    where principal_events.event_date >= $since_date
      and principal_events.event_date <= $until_date
      and principal_events.event_time >= $since
      and principal_events.event_time < $until
      and principal_events.person is not null
      and not address_places.is_aws
      and address_places.latitude is not null
      and address_places.longitude is not null
    window person_calls as (
        partition by principal_events.principal_key, principal_events.person, principal_events.event_date
        order by principal_events.event_time, principal_events.event_id
    )
)
select
    principal_key,
    principal_arn,
    history_key,
    person,
    event_date,
    event_time,
    event_id,
    source_ip_address,
    network,
    country,
    city,
    latitude,
    longitude,
    radius_km
from placed
where address_before is distinct from source_ip_address
   or address_after is distinct from source_ip_address
