-- Every address that calls come from.
-- grain:  value
-- reads:  events
select distinct
    source_ip_address as value
from events
where source_ip_kind in ('ipv4', 'ipv6')
