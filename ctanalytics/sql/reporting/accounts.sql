-- Accounts by their calls in the span.
-- grain:  account_id
-- reads:  events, error_classes
-- units:  calls, writes, errors, denied_calls: counts; found: accounts in all
-- params: since, until (UTC, half-open), top
with slices as (
    select
        events.account_id,
        events.aws_region,
        coalesce(events.principal_arn, events.actor) as principal,
        count(*) as calls,
        count(*) filter (where not events.read_only) as writes,
        count(*) filter (where events.is_error) as errors,
        count(*) filter (where error_classes.error_class = 'denied') as denied_calls
    from events
    left join error_classes
        on error_classes.error_code = events.error_code
    where events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
    group by
        events.account_id,
        events.aws_region,
        coalesce(events.principal_arn, events.actor)
)
select
    account_id,
    cast(sum(calls) as bigint) as calls,
    cast(sum(writes) as bigint) as writes,
    cast(sum(errors) as bigint) as errors,
    cast(sum(denied_calls) as bigint) as denied_calls,
    count(distinct principal) as principals,
    count(distinct aws_region) as regions,
    count(*) over () as found
from slices
group by account_id
order by calls desc, account_id
limit $top
