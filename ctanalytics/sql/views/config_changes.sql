-- How resources changed, as AWS Config saw it: each state that differs from the one before.
-- grain:  item_id
-- reads:  config_items
-- units:  capture_time UTC; change: first_seen (no state before it is known, and it is not new),
-- created, changed, related (only what it is related to), deleted; window_minutes: how long before
-- its capture the call that made the change may lie
with ordered as (
    select
        item_id,
        capture_time,
        account_id,
        aws_region,
        resource_type,
        resource_id,
        resource_name,
        arn,
        status,
        state_hash,
        relationships_hash,
        related_events,
        resource_creation_time,
        account_name,
        environment,
        case when recording_frequency = 'DAILY' then 1500 else 30 end as window_minutes,
        status in ('ResourceDeleted', 'ResourceDeletedNotRecorded') as is_gone,
        lag(item_id) over states as previous_item_id,
        lag(capture_time) over states as previous_capture_time,
        lag(state_hash) over states as previous_state_hash,
        lag(relationships_hash) over states as previous_relationships_hash,
        lag(status in ('ResourceDeleted', 'ResourceDeletedNotRecorded')) over states as was_gone
    from config_items
    window states as (
        partition by account_id, aws_region, resource_type, resource_id
        order by capture_time, state_id, item_id
    )
)
select
    item_id,
    previous_item_id,
    capture_time,
    previous_capture_time,
    account_id,
    aws_region,
    resource_type,
    resource_id,
    resource_name,
    arn,
    case
        when is_gone then 'deleted'
        when was_gone then 'created'
        when previous_item_id is not null and state_hash <> previous_state_hash then 'changed'
        when previous_item_id is not null then 'related'
        when epoch(capture_time) - epoch(resource_creation_time) between -60 and window_minutes * 60
            then 'created'
        else 'first_seen'
    end as change,
    window_minutes,
    related_events,
    account_name,
    environment
from ordered
where previous_item_id is null
   or state_hash <> previous_state_hash
   or relationships_hash <> previous_relationships_hash
