-- Pairs of calls of one person, one after the other, from places so far apart that nobody travels so
-- fast.
-- grain:  principal_key, person, event_id
-- reads:  placed_calls (temporary)
-- units:  distance_km: great circle, less the radius in which each address lies; times UTC
-- params: least_km, most_km_per_hour
with pairs as (
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
    from placed_calls
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
