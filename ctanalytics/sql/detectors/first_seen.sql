-- What principals touched that neither they nor their like (of the same history_key) had touched in
-- the days before, and how rare it is. A principal-day without anything new is one row with a null kind.
-- Rarity is -log10 of the share of principal-days: with nothing of the principal's own, that of its
-- peer class, backed off to the organization's. Days that were marked as an incident teach nothing.
-- grain:  principal_key, event_date, kind, value
-- reads:  principal_events, address_places (registered), marked_days
-- units:  kind: api (event source:event name), region, network (IPv4 /24, IPv6 /48, or the AS or AWS
-- network that holds it), agent, role (assumed), account, person, country; rarity in log10 units;
-- is_sensitive of APIs; new_values, active_days: of the 30 days before, the first 7 of a principal
-- left out; age_days, account_age_days: since the first call that was read; is_new_to_all: a
-- person or principal that nobody had seen anywhere; first_at: of that day; calls: of that day
-- params: since, until, recent_since (UTC, half-open; of root and the console all is read, of others from
-- recent_since on), sensitive_apis (list of event source:event name)
with slices as (
    select
        principal_events.principal_key,
        principal_events.history_key,
        principal_events.peer_class,
        max(principal_events.principal_arn) as principal_arn,
        principal_events.event_date,
        principal_events.event_source || ':' || principal_events.event_name as api,
        principal_events.aws_region,
        coalesce(address_places.network, principal_events.network) as network,
        address_places.country,
        principal_events.agent,
        principal_events.assumed_role_arn,
        principal_events.account_id,
        principal_events.person,
        bool_or(principal_events.is_console or principal_events.peer_class = 'root') as looks_far,
        bool_or(coalesce(marked_days.is_confirmed, false)) as is_confirmed,
        bool_or(marked_days.event_date is not null) as is_marked,
        min(principal_events.event_time) as first_at,
        count(*) as calls
    from principal_events
    left join address_places
        on address_places.address = principal_events.source_ip_address
    left join marked_days
        on marked_days.principal_key = principal_events.principal_key
       and marked_days.event_date = principal_events.event_date
    where principal_events.event_date >= $since_date
      and principal_events.event_date <= $until_date
      and principal_events.event_time >= $since
      and principal_events.event_time < $until
      and (
          principal_events.event_time >= $recent_since
          or principal_events.is_console
          or principal_events.peer_class = 'root'
      )
    group by
        principal_events.principal_key,
        principal_events.history_key,
        principal_events.peer_class,
        principal_events.event_date,
        principal_events.event_source || ':' || principal_events.event_name,
        principal_events.aws_region,
        coalesce(address_places.network, principal_events.network),
        address_places.country,
        principal_events.agent,
        principal_events.assumed_role_arn,
        principal_events.account_id,
        principal_events.person
),
paired as (
    select
        principal_key,
        history_key,
        peer_class,
        event_date,
        is_confirmed,
        first_at,
        calls,
        unnest(
            [
                {'kind': 'api', 'value': api},
                {'kind': 'region', 'value': aws_region},
                {'kind': 'network', 'value': network},
                {'kind': 'country', 'value': country},
                {'kind': 'agent', 'value': agent},
                {'kind': 'role', 'value': assumed_role_arn},
                {'kind': 'account', 'value': account_id},
                {'kind': 'person', 'value': person}
            ]
        ) as pair
    from slices
),
touched as (
    select
        principal_key,
        history_key,
        peer_class,
        event_date,
        pair.kind,
        pair.value,
        bool_or(is_confirmed) as is_confirmed,
        min(first_at) as first_at,
        cast(sum(calls) as bigint) as calls
    from paired
    where pair.value is not null
    group by principal_key, history_key, peer_class, event_date, pair.kind, pair.value
),
principal_days as (
    select
        principal_key,
        event_date,
        max(history_key) as history_key,
        max(peer_class) as peer_class,
        max(principal_arn) as principal_arn,
        arg_max(account_id, calls) as account_id,
        bool_or(looks_far) as looks_far,
        bool_or(is_marked) as is_marked,
        bool_or(is_confirmed) as is_confirmed
    from slices
    group by principal_key, event_date
),
-- How long each has been around, as far as was read.
principal_ages as (
    select
        history_key,
        min(event_date) as first_date
    from principal_days
    group by history_key
),
account_ages as (
    select
        account_id,
        min(event_date) as first_date
    from slices
    group by account_id
),
everybody as (
    select
        kind,
        value,
        min(event_date) as first_date
    from touched
    where kind = 'person'
    group by kind, value
),
seen as (
    select
        touched.*,
        max(case when not is_confirmed then event_date end) over (
            partition by history_key, kind, value
            order by event_date
            range between interval 90 days preceding and interval 1 day preceding
        ) as last_date
    from touched
),
flagged as (
    select
        seen.*,
        seen.last_date is null
        or seen.last_date < seen.event_date - (case when principal_days.looks_far then 90 else 30 end)
            as is_new
    from seen
    inner join principal_days
        on principal_days.principal_key = seen.principal_key
       and principal_days.event_date = seen.event_date
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
    from touched
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
    from touched
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
    from touched
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
    from touched
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
    from touched
    group by kind, event_date
),
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
news as (
    select
        flagged.principal_key,
        flagged.event_date,
        flagged.kind,
        flagged.value,
        flagged.first_at,
        flagged.calls,
        flagged.kind = 'api' and flagged.value in (select unnest($sensitive_apis)) as is_sensitive,
        flagged.kind = 'person' and everybody.first_date = flagged.event_date as is_new_to_all,
        class_days.days as class_days,
        round(
            -log10(
                5 * (
                    class_days.days
                    + 5 * (all_days.days + 1)
                    / cast(all_totals.days + coalesce(vocabulary.known_values, 0) + 1 as double)
                ) / cast(class_totals.days + 5 as double) / cast(own_totals.days + 5 as double)
            ),
            6
        ) as rarity
    from flagged
    inner join own_totals
        on own_totals.history_key = flagged.history_key
       and own_totals.kind = flagged.kind
       and own_totals.event_date = flagged.event_date
    inner join class_days
        on class_days.peer_class = flagged.peer_class
       and class_days.kind = flagged.kind
       and class_days.value = flagged.value
       and class_days.event_date = flagged.event_date
    inner join class_totals
        on class_totals.peer_class = flagged.peer_class
       and class_totals.kind = flagged.kind
       and class_totals.event_date = flagged.event_date
    inner join all_days
        on all_days.kind = flagged.kind
       and all_days.value = flagged.value
       and all_days.event_date = flagged.event_date
    inner join all_totals
        on all_totals.kind = flagged.kind
       and all_totals.event_date = flagged.event_date
    left join vocabulary
        on vocabulary.kind = flagged.kind
       and vocabulary.event_date = flagged.event_date
    left join everybody
        on everybody.kind = flagged.kind
       and everybody.value = flagged.value
    left join account_ages
        on account_ages.account_id
         = case flagged.kind when 'account' then flagged.value when 'role' then split_part(flagged.value, ':', 5) end
    where flagged.is_new
      -- An account that was just made is new to whoever makes it.
      and (account_ages.first_date is null or account_ages.first_date + 14 <= flagged.event_date)
),
-- How often something is new to a principal that has settled in.
news_of_days as (
    select
        principal_days.history_key,
        principal_days.event_date,
        count(news.value) as news_that_day
    from principal_days
    inner join principal_ages
        on principal_ages.history_key = principal_days.history_key
    left join news
        on news.principal_key = principal_days.principal_key
       and news.event_date = principal_days.event_date
    where principal_days.event_date >= principal_ages.first_date + 7
      and not principal_days.is_confirmed
    group by principal_days.history_key, principal_days.event_date
),
habits as (
    select
        history_key,
        event_date,
        coalesce(
            sum(news_that_day) over (
                partition by history_key
                order by event_date
                range between interval 30 days preceding and interval 1 day preceding
            ),
            0
        ) as new_values,
        count(*) over (
            partition by history_key
            order by event_date
            range between interval 30 days preceding and interval 1 day preceding
        ) as active_days
    from news_of_days
)
select
    principal_days.principal_key,
    principal_days.event_date,
    principal_days.history_key,
    principal_days.peer_class,
    principal_days.principal_arn,
    principal_days.account_id,
    principal_days.looks_far,
    principal_days.is_marked,
    principal_days.event_date - principal_ages.first_date as age_days,
    principal_days.event_date - account_ages.first_date as account_age_days,
    cast(coalesce(habits.new_values, 0) as bigint) as new_values,
    coalesce(habits.active_days, 0) as active_days,
    news.kind,
    news.value,
    news.rarity,
    coalesce(news.is_sensitive, false) as is_sensitive,
    coalesce(news.is_new_to_all, false) as is_new_to_all,
    news.class_days,
    news.first_at,
    news.calls
from principal_days
inner join principal_ages
    on principal_ages.history_key = principal_days.history_key
inner join account_ages
    on account_ages.account_id = principal_days.account_id
left join habits
    on habits.history_key = principal_days.history_key
   and habits.event_date = principal_days.event_date
left join news
    on news.principal_key = principal_days.principal_key
   and news.event_date = principal_days.event_date
where principal_days.event_date >= cast($recent_since as date) + 30
order by principal_days.event_date, principal_days.principal_key, news.kind, news.value
