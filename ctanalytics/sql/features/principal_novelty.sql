-- What each principal touched on each day (APIs, services, regions, networks, countries, programs,
-- roles, accounts): how many, how many of them not in the 30 days before, and how rare they are for it.
-- Roles that share a history_key share the past. Rarity is -log10 of the share of principal-days
-- that saw the value: the principal's own, backed off to its peer class and to the organization.
-- Days that were marked as an incident teach nothing: what was new then is new again.
-- grain:  principal_key, event_date
-- reads:  touched_days, backed_off (temporary: the statements of their names)
-- units:  counts of distinct values a day; new_...: not seen on the 30 days before;
-- ..._rarity: log10 units, 0 = on every day
with own as (
    select
        *,
        count(*) filter (where not is_confirmed) over (
            partition by history_key, kind, value
            order by event_date
            range between interval 30 days preceding and interval 1 day preceding
        ) as own_days
    from touched_days
),
rare as (
    select
        own.principal_key,
        own.event_date,
        own.kind,
        -log10(
            (own.own_days + backed_off.borrowed_days)
            / cast(backed_off.own_total_days + 5 as double)
        ) as rarity
    from own
    inner join backed_off
        on backed_off.history_key = own.history_key
       and backed_off.peer_class = own.peer_class
       and backed_off.kind = own.kind
       and backed_off.value = own.value
       and backed_off.event_date = own.event_date
),
rarities as (
    select
        principal_key,
        event_date,
        round(max(rarity) filter (where kind = 'api'), 6) as api_rarity_max,
        -- Millionths are summed as whole numbers: the same mean in any order.
        round(
            cast(
                sum(cast(round(rarity * 1000000) as bigint)) filter (where kind = 'api') as double
            ) / count(*) filter (where kind = 'api') / 1000000,
            6
        ) as api_rarity_mean,
        round(max(rarity) filter (where kind = 'network'), 6) as network_rarity,
        round(max(rarity) filter (where kind = 'agent'), 6) as agent_rarity
    from rare
    group by principal_key, event_date
),
counts as (
    select
        principal_key,
        event_date,
        count(*) filter (where kind = 'service') as services,
        count(*) filter (where kind = 'region') as regions,
        count(*) filter (where kind = 'network') as networks,
        count(*) filter (where kind = 'agent') as agents,
        count(*) filter (where kind = 'account') as accounts,
        count(*) filter (where kind = 'access_key') as access_keys,
        count(*) filter (where kind = 'error_code') as error_codes,
        count(*) filter (where kind = 'api' and own_days = 0) as new_apis,
        count(*) filter (where kind = 'service' and own_days = 0) as new_services,
        count(*) filter (where kind = 'region' and own_days = 0) as new_regions,
        count(*) filter (where kind = 'role' and own_days = 0) as new_roles,
        count(*) filter (where kind = 'network' and own_days = 0) as new_networks,
        count(*) filter (where kind = 'country' and own_days = 0) as new_countries,
        count(*) filter (where kind = 'agent' and own_days = 0) as new_agents
    from own
    group by principal_key, event_date
)
select
    counts.*,
    rarities.api_rarity_max,
    rarities.api_rarity_mean,
    coalesce(rarities.network_rarity, 0) as network_rarity,
    coalesce(rarities.agent_rarity, 0) as agent_rarity
from counts
inner join rarities
    on rarities.principal_key = counts.principal_key
   and rarities.event_date = counts.event_date
order by counts.event_date, counts.principal_key
