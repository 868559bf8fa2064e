-- The APIs with the most calls in the span.
-- grain:  event_source, event_name
-- reads:  report_slices, error_classes
-- units:  calls, errors, denied_calls: counts; found: APIs in all
-- params: top
select
    slices.event_source,
    slices.event_name,
    case
        when sum(slices.reads) > 0 and sum(slices.writes) > 0 then 'mixed'
        when sum(slices.writes) > 0 then 'write'
        when sum(slices.reads) > 0 then 'read'
        else 'unknown'
    end as access,
    cast(sum(slices.calls) as bigint) as calls,
    cast(coalesce(sum(slices.calls) filter (where slices.is_error), 0) as bigint) as errors,
    cast(
        coalesce(sum(slices.calls) filter (where error_classes.error_class = 'denied'), 0)
        as bigint
    ) as denied_calls,
    count(distinct slices.principal) as principals,
    count(distinct slices.account_id) as accounts,
    count(*) over () as found
from report_slices as slices
left join error_classes
    on error_classes.error_code = slices.error_code
group by slices.event_source, slices.event_name
order by calls desc, slices.event_source, slices.event_name
limit $top
