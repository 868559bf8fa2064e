-- How many others of a principal's class were active in the days before, and how many of them had
-- touched the same value.
-- grain:  one row
-- reads:  principal_events, address_places (registered)
-- units:  peers, peers_alike: principals
-- params: since, until (UTC, half-open), principal_key, peer_class, kind, value
select
    count(distinct principal_events.principal_key) as peers,
    count(distinct principal_events.principal_key) filter (
        where $value = case $kind
            when 'api' then principal_events.event_source || ':' || principal_events.event_name
            when 'region' then principal_events.aws_region
            when 'network' then coalesce(address_places.network, principal_events.network)
            when 'country' then address_places.country
            when 'agent' then principal_events.agent
            when 'role' then principal_events.assumed_role_arn
            when 'account' then principal_events.account_id
            when 'person' then principal_events.person
        end
    ) as peers_alike
from principal_events
left join address_places
    on address_places.address = principal_events.source_ip_address
where principal_events.event_date >= $since_date
  and principal_events.event_date <= $until_date
  and principal_events.event_time >= $since
  and principal_events.event_time < $until
  and principal_events.peer_class = $peer_class
  and principal_events.principal_key <> $principal_key
