-- Pairs of calls of one person, one after the other, from places so far apart that nobody travels so
-- fast. AWS's own addresses are left out: who works through a machine there is not there himself.
-- grain:  principal_key, person, event_id
-- reads:  principal_events, address_places (registered)
-- units:  distance_km: great circle, less the radius in which each address lies; times UTC
-- params: since, until (UTC, half-open), least_km, most_km_per_hour
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
        coalesce(address_places.radius_km, 0) as radius_km
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
),
pairs as (
    select
        *,
        lag(source_ip_address) over (person_calls) as address_before,
        lag(network) over (person_calls) as network_before,
        lag(country) over (person_calls) as country_before,
        lag(city) over (person_calls) as city_before,
        lag(latitude) over (person_calls) as latitude_before,
        lag(longitude) over (person_calls) as longitude_before,
        lag(radius_km) over (person_calls) as radius_before,
        lag(event_time) over (person_calls) as time_before,
        lag(event_id) over (person_calls) as event_before
    from placed
    window person_calls as (partition by principal_key, person order by event_time, event_id)
),
far as (
    select
        *,
        floor(
            greatest(
                2 * 6371 * asin(
                    least(
                        1.0,
                        sqrt(
                            pow(sin(radians(latitude - latitude_before) / 2), 2)
                            + cos(radians(latitude)) * cos(radians(latitude_before))
                            * pow(sin(radians(longitude - longitude_before) / 2), 2)
                        )
                    )
                ) - radius_km - radius_before,
                0
            )
        ) as distance_km
    from pairs
    where address_before <> source_ip_address
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
    time_before,
    event_before,
    address_before,
    network_before,
    country_before,
    city_before,
    cast(distance_km as bigint) as distance_km
from far
where distance_km >= $least_km
  and distance_km > $most_km_per_hour * epoch(event_time - time_before) / 3600
order by principal_key, person, event_time, event_id
