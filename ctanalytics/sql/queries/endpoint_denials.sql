-- Calls that a VPC endpoint policy refused.
-- grain:  vpc_endpoint_id, principal, event_source, event_name
-- reads:  network_activity
select
    vpc_endpoint_id,
    identity_account_id,
    principal,
    event_source,
    event_name,
    count(*) as calls,
    max(event_time) as last_seen
from network_activity
where is_denied
group by vpc_endpoint_id, identity_account_id, principal, event_source, event_name
order by calls desc, vpc_endpoint_id, principal, event_source, event_name
