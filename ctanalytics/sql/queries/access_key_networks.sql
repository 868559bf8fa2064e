-- From which addresses each long-lived key was used; a lone new one may be a thief.
-- grain:  access_key_id, source_ip_address
-- reads:  events
select
    access_key_id,
    max(principal_arn) as principal_arn,
    source_ip_address,
    count(*) as calls,
    count(distinct event_name) as apis,
    count(*) filter (where is_error) as errors,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from events
where starts_with(access_key_id, 'AKIA')
group by access_key_id, source_ip_address
order by access_key_id, first_seen, source_ip_address
