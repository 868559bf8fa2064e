-- The principals with the most calls in the span, per account.
-- grain:  account_id, principal
-- reads:  events, error_classes
-- units:  calls, writes, errors, denied_calls: counts; found: principals in all
-- params: since, until (UTC, half-open), top
with slices as (
    select
        events.account_id,
        coalesce(events.principal_arn, events.actor) as principal,
        events.principal_type,
        events.aws_region,
        events.source_ip_address,
        min(events.event_time) as first_seen,
        max(events.event_time) as last_seen,
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
        coalesce(events.principal_arn, events.actor),
        events.principal_type,
        events.aws_region,
        events.source_ip_address
)
select
    account_id,
    principal,
    min(principal_type) as principal_type,
    cast(sum(calls) as bigint) as calls,
    cast(sum(writes) as bigint) as writes,
    cast(sum(errors) as bigint) as errors,
    cast(sum(denied_calls) as bigint) as denied_calls,
    count(distinct aws_region) as regions,
    count(distinct source_ip_address) as addresses,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen,
    count(*) over () as found
from slices
group by account_id, principal
order by calls desc, account_id, principal
limit $top
