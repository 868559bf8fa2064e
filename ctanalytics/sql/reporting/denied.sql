-- Who was refused most in the span, and how many different APIs they tried in vain.
-- grain:  account_id, principal
-- reads:  report_slices, error_classes
-- units:  denied_calls: count; denied_apis: APIs refused at least once; found: principals in all
-- params: top
with refused as (
    select
        slices.account_id,
        slices.principal,
        slices.event_source,
        slices.event_name,
        min(slices.first_seen) as first_denied,
        max(slices.last_seen) as last_denied,
        sum(slices.calls) as denied_calls
    from report_slices as slices
    inner join error_classes
        on error_classes.error_code = slices.error_code
    where error_classes.error_class = 'denied'
    group by
        slices.account_id,
        slices.principal,
        slices.event_source,
        slices.event_name
)
select
    account_id,
    principal,
    cast(sum(denied_calls) as bigint) as denied_calls,
    count(*) as denied_apis,
    min(first_denied) as first_denied,
    max(last_denied) as last_denied,
    count(*) over () as found
from refused
group by account_id, principal
order by denied_calls desc, account_id, principal
limit $top
