-- The span in one row: how much happened, by how many, where.
-- grain:  one row
-- reads:  report_slices, error_classes
-- units:  events, writes, errors, denied_calls: counts; first_event, last_event UTC
with apis as (
    select distinct
        event_source,
        event_name
    from report_slices
)
select
    cast(coalesce(sum(slices.calls), 0) as bigint) as events,
    cast(coalesce(sum(slices.writes), 0) as bigint) as writes,
    cast(coalesce(sum(slices.calls) filter (where slices.is_error), 0) as bigint) as errors,
    cast(
        coalesce(sum(slices.calls) filter (where error_classes.error_class = 'denied'), 0)
        as bigint
    ) as denied_calls,
    count(distinct slices.account_id) as accounts,
    count(distinct slices.aws_region) as regions,
    count(distinct slices.principal) as principals,
    (select count(*) from apis) as apis,
    min(slices.first_seen) as first_event,
    max(slices.last_seen) as last_event
from report_slices as slices
left join error_classes
    on error_classes.error_code = slices.error_code
