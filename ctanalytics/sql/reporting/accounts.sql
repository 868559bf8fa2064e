-- Accounts by their calls in the span.
-- grain:  account_id
-- reads:  report_slices, error_classes
-- units:  calls, writes, errors, denied_calls: counts; found: accounts in all
-- params: top
select
    slices.account_id,
    cast(sum(slices.calls) as bigint) as calls,
    cast(sum(slices.writes) as bigint) as writes,
    cast(coalesce(sum(slices.calls) filter (where slices.is_error), 0) as bigint) as errors,
    cast(
        coalesce(sum(slices.calls) filter (where error_classes.error_class = 'denied'), 0)
        as bigint
    ) as denied_calls,
    count(distinct slices.principal) as principals,
    count(distinct slices.aws_region) as regions,
    count(*) over () as found
from report_slices as slices
left join error_classes
    on error_classes.error_code = slices.error_code
group by slices.account_id
order by calls desc, slices.account_id
limit $top
