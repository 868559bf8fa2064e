-- Which networks of anomalies many principals used in the days before.
-- grain:  anomaly_id, network
-- reads:  events, incident_networks (registered: anomaly_id, network, started_at)
-- units:  principals: count of those who called from there within the days before the anomaly began
-- params: since, until (UTC, half-open), days
with uses as (
    select
        event_date,
        source_ip_address,
        coalesce(principal_arn, identity_arn, actor) as principal
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and source_ip_kind in ('ipv4', 'ipv6')
    group by event_date, source_ip_address, coalesce(principal_arn, identity_arn, actor)
),
networks as (
    select distinct
        event_date,
        case
            when source_ip_address like '%.%' then regexp_extract(
                source_ip_address, '^[0-9]+[.][0-9]+[.][0-9]+', 0
            ) || '.0/24'
            else lower(
                regexp_extract(source_ip_address, '^[0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+', 0)
            ) || '::/48'
        end as network,
        principal
    from uses
)
select
    incident_networks.anomaly_id,
    incident_networks.network,
    count(distinct networks.principal) as principals
from incident_networks
inner join networks
    on networks.network = incident_networks.network
   and networks.event_date < cast(incident_networks.started_at as date)
   and networks.event_date >= cast(incident_networks.started_at as date) - cast($days as integer)
group by incident_networks.anomaly_id, incident_networks.network
