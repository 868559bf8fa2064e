-- The errors met most often in the span.
-- grain:  error_code, event_source, event_name
-- reads:  events, error_classes
-- units:  calls: failed calls; error_class: denied, throttled, benign, other; found: rows in all;
-- last_message: of the newest call that has one, the last by alphabet of several in one second
-- params: since, until (UTC, half-open), top
with slices as (
    select
        error_code,
        event_source,
        event_name,
        account_id,
        coalesce(principal_arn, actor) as principal,
        max(event_time) as last_seen,
        max(case when error_message is not null then event_time end) as message_time,
        count(*) as calls
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and is_error
    group by
        error_code,
        event_source,
        event_name,
        account_id,
        coalesce(principal_arn, actor)
),
worst as (
    select
        error_code,
        event_source,
        event_name,
        cast(sum(calls) as bigint) as calls,
        count(distinct principal) as principals,
        count(distinct account_id) as accounts,
        max(last_seen) as last_seen,
        max(message_time) as message_time,
        count(*) over () as found
    from slices
    group by error_code, event_source, event_name
    order by calls desc, error_code, event_source, event_name
    limit $top
),
messages as (
    select
        worst.error_code,
        worst.event_source,
        worst.event_name,
        max(events.error_message) as last_message
    from worst
    inner join events
        on events.error_code is not distinct from worst.error_code
       and events.event_source is not distinct from worst.event_source
       and events.event_name is not distinct from worst.event_name
       and events.event_time = worst.message_time
    where events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
      and events.is_error
    group by worst.error_code, worst.event_source, worst.event_name
)
select
    worst.error_code,
    coalesce(error_classes.error_class, 'other') as error_class,
    worst.event_source,
    worst.event_name,
    worst.calls,
    worst.principals,
    worst.accounts,
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
