-- Regions of each account by their calls in the span.
-- grain:  account_id, aws_region
-- reads:  report_slices, error_classes
-- units:  calls, writes, errors, denied_calls: counts; found: rows in all
-- params: top
select
    slices.account_id,
    slices.aws_region,
    cast(sum(slices.calls) as bigint) as calls,
    cast(sum(slices.writes) as bigint) as writes,
    cast(coalesce(sum(slices.calls) filter (where slices.is_error), 0) as bigint) as errors,
    cast(
        coalesce(sum(slices.calls) filter (where error_classes.error_class = 'denied'), 0)
        as bigint
    ) as denied_calls,
    count(distinct slices.principal) as principals,
    count(*) over () as found
from report_slices as slices
left join error_classes
    on error_classes.error_code = slices.error_code
group by slices.account_id, slices.aws_region
order by calls desc, slices.account_id, slices.aws_region
limit $top
