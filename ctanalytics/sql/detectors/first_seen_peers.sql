-- How many others of a principal's class were active in the days before, and how many of them had
-- touched the same value.
-- grain:  one row
-- reads:  first_seen_slices (temporary)
-- units:  peers, peers_alike: principals
-- params: since_date, until_date (both inclusive), principal_key, peer_class, kind, value
select
    count(distinct principal_key) as peers,
    count(distinct principal_key) filter (
        where $value = case $kind
            when 'api' then api
            when 'region' then aws_region
            when 'network' then network
            when 'country' then country
            when 'agent' then agent
            when 'role' then assumed_role_arn
            when 'account' then account_id
            when 'person' then person
        end
    ) as peers_alike
from first_seen_slices
where event_date >= $since_date
  and event_date <= $until_date
  and peer_class = $peer_class
  and principal_key <> $principal_key
