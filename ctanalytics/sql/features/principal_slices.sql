-- What some principals, and all who share their past, did in each hour.
-- grain:  principal_key, hour_start, event_source, event_name, aws_region, network,
--         source_ip_address, agent, user_agent
-- reads:  principal_events, told_principals (registered)
-- units:  hour_start UTC; calls: count
-- params: since, until (UTC, half-open)
select
    event_date,
    date_trunc('hour', event_time) as hour_start,
    event_hour,
    principal_key,
    history_key,
    event_source,
    event_name,
    aws_region,
    network,
    source_ip_address,
    agent,
    user_agent,
    bool_and(is_write) as is_write,
    count(*) as calls
from principal_events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and history_key in (select history_key from told_principals)
group by
    event_date,
    date_trunc('hour', event_time),
    event_hour,
    principal_key,
    history_key,
    event_source,
    event_name,
    aws_region,
    network,
    source_ip_address,
    agent,
    user_agent
