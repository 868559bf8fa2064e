-- What one principal touched in a span, and on how many of the days before it (or its like, of the
-- same history_key) had touched the same.
-- grain:  kind, value
-- reads:  principal_slices (temporary)
-- units:  kind: api (event source:event name), region, network, address, agent, user_agent, hour;
-- calls: of that span; own_days: principal-days before it with the value; is_write: of an
-- api; part_of: event source of an api, network of an address,
-- program of a user agent
-- params: principal_key, history_key, since, start, until (UTC, whole hours, half-open; the span begins
-- at start)
with slices as (
    select
        event_date,
        hour_start >= $start as is_inside,
        hour_start >= $start and principal_key = $principal_key as is_today,
        principal_key,
        event_source,
        event_name,
        aws_region,
        network,
        source_ip_address,
        agent,
        user_agent,
        event_hour,
        is_write,
        calls
    from principal_slices
    where hour_start >= $since
      and hour_start < $until
      and history_key = $history_key
),
touched as (
    select
        event_date,
        is_inside,
        is_today,
        principal_key,
        is_write,
        calls,
        unnest(
            [
                {'kind': 'api', 'value': event_source || ':' || event_name, 'part_of': event_source},
                {'kind': 'region', 'value': aws_region, 'part_of': ''},
                {'kind': 'network', 'value': network, 'part_of': ''},
                {'kind': 'address', 'value': source_ip_address, 'part_of': network},
                {'kind': 'agent', 'value': agent, 'part_of': ''},
                {'kind': 'user_agent', 'value': user_agent, 'part_of': agent},
                {'kind': 'hour', 'value': cast(event_hour as varchar), 'part_of': ''}
            ]
        ) as pair
    from slices
)
select
    pair.kind,
    pair.value,
    max(pair.part_of) as part_of,
    bool_and(is_write) filter (where is_today) as is_write,
    cast(sum(case when is_today then calls else 0 end) as bigint) as calls,
    count(distinct principal_key || '|' || cast(event_date as varchar))
        filter (where not is_inside) as own_days
from touched
where pair.value is not null
group by pair.kind, pair.value
having bool_or(is_today)
order by pair.kind, pair.value
