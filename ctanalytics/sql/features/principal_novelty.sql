-- What each principal touched on each day (APIs, services, regions, networks, countries, programs,
-- roles, accounts): how many, how many of them not in the 30 days before, and how rare they are for it.
-- Roles that share a history_key share the past. Rarity is -log10 of the share of principal-days
-- that saw the value: the principal's own, backed off to its peer class and to the organization.
-- Days that were marked as an incident teach nothing: what was new then is new again.
-- grain:  principal_key, event_date
-- reads:  principal_events, address_places (registered), marked_days
-- units:  counts of distinct values a day; new_...: not seen on the 30 days before;
-- ..._rarity: log10 units, 0 = on every day
-- params: since, until, shift_hours (UTC, half-open; days begin so long before midnight; 0 to 23)
with slices as (
    select
        principal_events.principal_key,
        principal_events.history_key,
        principal_events.peer_class,
        cast(principal_events.event_time + to_hours($shift_hours) as date) as event_date,
        principal_events.event_source,
        principal_events.event_name,
        principal_events.aws_region,
        coalesce(address_places.network, principal_events.network) as network,
        address_places.country,
        principal_events.agent,
        principal_events.assumed_role_arn,
        principal_events.account_id,
        principal_events.access_key_id,
        case
            when principal_events.error_class in ('denied', 'other')
                then coalesce(principal_events.error_code, '')
        end as error_code
    from principal_events
    left join address_places
        on address_places.address = principal_events.source_ip_address
    where principal_events.event_date >= $since_date
      and principal_events.event_date <= $until_date
      and principal_events.event_time >= $since
      and principal_events.event_time < $until
    group by
        principal_events.principal_key,
        principal_events.history_key,
        principal_events.peer_class,
        cast(principal_events.event_time + to_hours($shift_hours) as date),
        principal_events.event_source,
        principal_events.event_name,
        principal_events.aws_region,
        coalesce(address_places.network, principal_events.network),
        address_places.country,
        principal_events.agent,
        principal_events.assumed_role_arn,
        principal_events.account_id,
        principal_events.access_key_id,
        case
            when principal_events.error_class in ('denied', 'other')
                then coalesce(principal_events.error_code, '')
        end
),
pairs as (
    select distinct
        principal_key,
        history_key,
        peer_class,
        event_date,
        pair.kind,
        pair.value
    from (
        select
            principal_key,
            history_key,
            peer_class,
            event_date,
            unnest(
                [
                    {'kind': 'api', 'value': event_source || ':' || event_name},
                    {'kind': 'service', 'value': event_source},
                    {'kind': 'region', 'value': aws_region},
                    {'kind': 'network', 'value': network},
                    {'kind': 'country', 'value': country},
                    {'kind': 'agent', 'value': agent},
                    {'kind': 'role', 'value': assumed_role_arn},
                    {'kind': 'account', 'value': account_id},
                    {'kind': 'access_key', 'value': access_key_id},
                    {'kind': 'error_code', 'value': error_code}
                ]
            ) as pair
        from slices
    ) as paired
    where pair.value is not null
),
touched as (
    select
        pairs.*,
        coalesce(marked_days.is_confirmed, false) as is_confirmed
    from pairs
    left join marked_days
        on marked_days.principal_key = pairs.principal_key
       and marked_days.event_date = pairs.event_date
),
own as (
    select
        *,
        count(*) filter (where not is_confirmed) over (
            partition by history_key, kind, value
            order by event_date
            range between interval 30 days preceding and interval 1 day preceding
        ) as own_days
    from touched
),
-- From here on the back-off of rarity, for the three kinds that have one.
weighed as (
    select
        *
    from own
    where kind in ('api', 'network', 'agent')
),
own_totals as (
    select
        history_key,
        kind,
        event_date,
        coalesce(
            sum(count(*) filter (where not is_confirmed)) over (
                partition by history_key, kind
                order by event_date
                range between interval 30 days preceding and interval 1 day preceding
            ),
            0
        ) as days
    from weighed
    group by history_key, kind, event_date
),
class_days as (
    select
        peer_class,
        kind,
        value,
        event_date,
        coalesce(
            sum(count(*) filter (where not is_confirmed)) over (
                partition by peer_class, kind, value
                order by event_date
                range between interval 30 days preceding and interval 1 day preceding
            ),
            0
        ) as days
    from weighed
    group by peer_class, kind, value, event_date
),
class_totals as (
    select
        peer_class,
        kind,
        event_date,
        coalesce(
            sum(count(*) filter (where not is_confirmed)) over (
                partition by peer_class, kind
                order by event_date
                range between interval 30 days preceding and interval 1 day preceding
            ),
            0
        ) as days
    from weighed
    group by peer_class, kind, event_date
),
all_days as (
    select
        kind,
        value,
        event_date,
        coalesce(
            sum(count(*) filter (where not is_confirmed)) over (
                partition by kind, value
                order by event_date
                range between interval 30 days preceding and interval 1 day preceding
            ),
            0
        ) as days,
        lead(event_date) over (partition by kind, value order by event_date) as next_date
    from weighed
    group by kind, value, event_date
),
all_totals as (
    select
        kind,
        event_date,
        coalesce(
            sum(count(*) filter (where not is_confirmed)) over (
                partition by kind
                order by event_date
                range between interval 30 days preceding and interval 1 day preceding
            ),
            0
        ) as days
    from weighed
    group by kind, event_date
),
-- Distinct values of the 30 days before a date: each value is known from the day after it was
-- seen until it is seen again or 30 days have passed.
vocabulary as (
    select
        all_totals.kind,
        all_totals.event_date,
        count(*) as known_values
    from all_totals
    inner join all_days
        on all_days.kind = all_totals.kind
       and all_days.event_date < all_totals.event_date
       and all_totals.event_date <= all_days.event_date + 30
       and (all_days.next_date is null or all_totals.event_date <= all_days.next_date)
    group by all_totals.kind, all_totals.event_date
),
rare as (
    select
        weighed.principal_key,
        weighed.event_date,
        weighed.kind,
        -log10(
            (
                weighed.own_days
                + 5 * (
                    class_days.days
                    + 5 * (all_days.days + 1)
                    / cast(all_totals.days + coalesce(vocabulary.known_values, 0) + 1 as double)
                ) / cast(class_totals.days + 5 as double)
            ) / cast(own_totals.days + 5 as double)
        ) as rarity
    from weighed
    inner join own_totals
        on own_totals.history_key = weighed.history_key
       and own_totals.kind = weighed.kind
       and own_totals.event_date = weighed.event_date
    inner join class_days
        on class_days.peer_class = weighed.peer_class
       and class_days.kind = weighed.kind
       and class_days.value = weighed.value
       and class_days.event_date = weighed.event_date
    inner join class_totals
        on class_totals.peer_class = weighed.peer_class
       and class_totals.kind = weighed.kind
       and class_totals.event_date = weighed.event_date
    inner join all_days
        on all_days.kind = weighed.kind
       and all_days.value = weighed.value
       and all_days.event_date = weighed.event_date
    inner join all_totals
        on all_totals.kind = weighed.kind
       and all_totals.event_date = weighed.event_date
    left join vocabulary
        on vocabulary.kind = weighed.kind
       and vocabulary.event_date = weighed.event_date
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
