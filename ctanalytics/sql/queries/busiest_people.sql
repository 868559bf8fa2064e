-- Who, behind all roles, does most: calls by the head of the chain.
-- grain:  root_principal
-- reads:  sessions
-- params: top integer = 20
select
    root_principal,
    root_from,
    count(*) as sessions,
    cast(sum(calls) as bigint) as calls,
    cast(sum(writes) as bigint) as writes,
    cast(sum(denied_calls) as bigint) as denied_calls,
    max(last_seen) as last_seen
from sessions
where root_from not in ('service', 'workload', 'instance')
group by root_principal, root_from
order by calls desc, root_principal
limit $top
