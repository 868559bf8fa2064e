-- What principals touched that neither they nor their like (of the same history_key) had touched in
-- the days before, and how rare it is. A principal-day without anything new is one row with a null kind.
-- Rarity is -log10 of the share of principal-days: with nothing of the principal's own, that of its
-- peer class, backed off to the organization's. Days that were marked as an incident teach nothing.
-- grain:  principal_key, event_date, kind, value
-- reads:  first_seen_slices, touched_days, backed_off (temporary)
-- units:  kind: api (event source:event name), region, network (IPv4 /24, IPv6 /48, or the AS or AWS
-- network that holds it), agent, role (assumed), account, person, country; rarity in log10 units;
-- is_sensitive of APIs; new_values, active_days: of the 30 days before, the first 7 of a principal
-- left out; age_days, account_age_days: since the first call that was read; is_new_to_all: a
-- person or principal that nobody had seen anywhere; first_at: of that day; calls: of that day
-- params: recent_since (UTC; as of first_seen_slices), sensitive_apis (list of event source:event name)
with principal_days as (
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
    from first_seen_slices
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
    from first_seen_slices
    group by account_id
),
everybody as (
    select
        kind,
        value,
        min(event_date) as first_date
    from touched_days
    where kind = 'person'
    group by kind, value
),
seen as (
    select
        touched_days.*,
        max(case when not is_confirmed then event_date end) over (
            partition by history_key, kind, value
            order by event_date
            range between interval 90 days preceding and interval 1 day preceding
        ) as last_date
    from touched_days
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
        backed_off.class_days,
        round(
            -log10(backed_off.borrowed_days / cast(backed_off.own_total_days + 5 as double)), 6
        ) as rarity
    from flagged
    inner join backed_off
        on backed_off.history_key = flagged.history_key
       and backed_off.peer_class = flagged.peer_class
       and backed_off.kind = flagged.kind
       and backed_off.value = flagged.value
       and backed_off.event_date = flagged.event_date
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
