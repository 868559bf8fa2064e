-- Where the subject's calls came from: networks, and the services and names that stand in for one.
-- grain:  network
-- reads:  subject_events
-- params: rows
-- units:  network: IPv4 /24, IPv6 as it stands, else the name in the log; times UTC; others: counts
select
    case
        when source_ip_kind = 'ipv4'
            then regexp_extract(source_ip_address, '^[0-9]+[.][0-9]+[.][0-9]+', 0) || '.0/24'
        else source_ip_address
    end as network,
    max(source_ip_kind) as source_ip_kind,
    count(distinct source_ip_address) as addresses,
    min(source_ip_address) as example,
    count(*) as calls,
    count(*) filter (where is_error) as errors,
    count(distinct session_id) as sessions,
    count(distinct coalesce(principal_arn, actor)) as principals,
    count(distinct user_agent) as user_agents,
    arg_max(user_agent, event_time) as last_user_agent,
    min(event_time) as first_seen,
    max(event_time) as last_seen,
    count(*) over () as found
from subject_events
where source_ip_address is not null
group by
    case
        when source_ip_kind = 'ipv4'
            then regexp_extract(source_ip_address, '^[0-9]+[.][0-9]+[.][0-9]+', 0) || '.0/24'
        else source_ip_address
    end
order by first_seen, network
limit $rows
