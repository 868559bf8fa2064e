-- The errors met most often in the span.
-- grain:  error_code, event_source, event_name
-- reads:  report_slices, events, error_classes
-- units:  calls: failed calls; error_class: denied, throttled, benign, other; found: rows in all;
-- last_message: of the newest call that has one, the last by alphabet of several in one second
-- params: since, until (UTC, half-open), top
with worst as (
    select
        error_code,
        event_source,
        event_name,
        cast(sum(calls) as bigint) as calls,
        count(distinct principal) as principals,
        max(last_seen) as last_seen,
        count(*) over () as found
    from report_slices
    where is_error
    group by error_code, event_source, event_name
    order by calls desc, error_code, event_source, event_name
    limit $top
),
told as (
    select
        worst.error_code,
        worst.event_source,
        worst.event_name,
        events.event_time,
        events.error_message,
        max(events.event_time) over (
            partition by worst.error_code, worst.event_source, worst.event_name
        ) as newest
    from worst
    inner join events
        on events.error_code is not distinct from worst.error_code
       and events.event_source is not distinct from worst.event_source
       and events.event_name is not distinct from worst.event_name
    where events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
      and events.is_error
      and events.error_message is not null
),
messages as (
    select
        error_code,
        event_source,
        event_name,
        max(error_message) as last_message
    from told
    where event_time = newest
    group by error_code, event_source, event_name
)
select
    worst.error_code,
    coalesce(error_classes.error_class, 'other') as error_class,
    worst.event_source,
    worst.event_name,
    worst.calls,
    worst.principals,
    worst.last_seen,
    messages.last_message,
    worst.found
from worst
left join messages
    on messages.error_code is not distinct from worst.error_code
   and messages.event_source is not distinct from worst.event_source
   and messages.event_name is not distinct from worst.event_name
left join error_classes
    on error_classes.error_code = worst.error_code
order by worst.calls desc, worst.error_code, worst.event_source, worst.event_name
