-- The principals with the most calls in the span, per account.
-- grain:  account_id, principal
-- reads:  report_slices, error_classes, events
-- units:  calls, writes, errors, denied_calls: counts; addresses: different source addresses;
-- found: principals in all
-- params: since, until (UTC, half-open), top
with busiest as (
    select
        slices.account_id,
        slices.principal,
        min(slices.principal_type) as principal_type,
        cast(sum(slices.calls) as bigint) as calls,
        cast(sum(slices.writes) as bigint) as writes,
        cast(coalesce(sum(slices.calls) filter (where slices.is_error), 0) as bigint) as errors,
        cast(
            coalesce(sum(slices.calls) filter (where error_classes.error_class = 'denied'), 0)
            as bigint
        ) as denied_calls,
        count(distinct slices.aws_region) as regions,
        max(slices.last_seen) as last_seen,
        count(*) over () as found
    from report_slices as slices
    left join error_classes
        on error_classes.error_code = slices.error_code
    group by slices.account_id, slices.principal
    order by calls desc, slices.account_id, slices.principal
    limit $top
),
places as (
    select
        busiest.account_id,
        busiest.principal,
        count(distinct events.source_ip_address) as addresses
    from busiest
    inner join events
        on events.account_id is not distinct from busiest.account_id
       and coalesce(events.principal_arn, events.actor) is not distinct from busiest.principal
    where events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
    group by busiest.account_id, busiest.principal
)
select
    busiest.account_id,
    busiest.principal,
    busiest.principal_type,
    busiest.calls,
    busiest.writes,
    busiest.errors,
    busiest.denied_calls,
    busiest.regions,
    places.addresses,
    busiest.last_seen,
    busiest.found
from busiest
inner join places
    on places.account_id is not distinct from busiest.account_id
   and places.principal is not distinct from busiest.principal
order by busiest.calls desc, busiest.account_id, busiest.principal
