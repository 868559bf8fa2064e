-- Changes that AWS Config recorded and that calls of the case explain best, as who_changed says.
-- grain:  item_id
-- reads:  subject_events, who_changed, account_directory
-- params: rows
-- units:  capture_time, event_time: UTC; change, confidence: as in who_changed
select
    who_changed.capture_time,
    who_changed.resource_type,
    coalesce(who_changed.arn, who_changed.resource_name, who_changed.resource_id) as resource,
    who_changed.change,
    who_changed.event_name,
    who_changed.event_time,
    who_changed.confidence,
    who_changed.account_id,
    account_directory.account_name,
    who_changed.aws_region,
    who_changed.principal,
    who_changed.event_id,
    who_changed.item_id,
    count(*) over () as found
from who_changed
inner join subject_events
    on subject_events.event_id = who_changed.event_id
    and subject_events.account_id is not distinct from who_changed.account_id
left join account_directory
    on account_directory.account_id = who_changed.account_id
where who_changed.is_main
order by who_changed.capture_time, who_changed.item_id
limit $rows
