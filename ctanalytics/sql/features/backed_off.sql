-- How often something is touched by those who are like a principal, and in the whole organization: what
-- its own count is backed off to. Rarity is then
-- -log10((own days + borrowed_days) / (own_total_days + 5)).
-- Roles that share a history_key share the past. Days that were marked as an incident count nowhere.
-- grain:  history_key, peer_class, kind, value, event_date
-- reads:  touched_days (temporary: principal_key, history_key, peer_class, event_date, kind, value,
--         is_confirmed)
-- units:  all of the 30 days before; own_total_days: of the principal, with any value of the kind;
-- class_days: of its peer class, with this value; borrowed_days: 5 times the share that the class,
-- itself backed off to the organization, has of the value
-- params: kinds (list)
with weighed as (
    select
        history_key,
        peer_class,
        event_date,
        kind,
        value,
        is_confirmed
    from touched_days
    where list_contains($kinds, kind)
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
)
select distinct
    weighed.history_key,
    weighed.peer_class,
    weighed.kind,
    weighed.value,
    weighed.event_date,
    own_totals.days as own_total_days,
    class_days.days as class_days,
    5 * (
        class_days.days
        + 5 * (all_days.days + 1)
        / cast(all_totals.days + coalesce(vocabulary.known_values, 0) + 1 as double)
    ) / cast(class_totals.days + 5 as double) as borrowed_days
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
