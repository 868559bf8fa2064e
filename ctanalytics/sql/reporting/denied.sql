-- Who was refused most in the span, and how many different APIs they tried in vain.
-- grain:  account_id, principal
-- reads:  events, error_classes
-- units:  denied_calls: count; denied_apis: APIs refused at least once; found: principals in all
-- params: since, until (UTC, half-open), top
with slices as (
    select
        events.account_id,
        coalesce(events.principal_arn, events.actor) as principal,
        events.event_source,
        events.event_name,
        min(events.event_time) as first_denied,
        max(events.event_time) as last_denied,
        count(*) as denied_calls
    from events
    inner join error_classes
        on error_classes.error_code = events.error_code
    where events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
      and error_classes.error_class = 'denied'
    group by
        events.account_id,
        coalesce(events.principal_arn, events.actor),
        events.event_source,
        events.event_name
)
select
    account_id,
    principal,
    cast(sum(denied_calls) as bigint) as denied_calls,
    count(*) as denied_apis,
    min(first_denied) as first_denied,
    max(last_denied) as last_denied,
    count(*) over () as found
from slices
group by account_id, principal
order by denied_calls desc, account_id, principal
limit $top
