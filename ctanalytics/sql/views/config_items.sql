-- What AWS Config recorded of resources: each state that it saw, once, however many files told it.
-- Only Config's own files are here, no digest vouches for them.
-- grain:  item_id
-- reads:  lake.config_items, account_directory
-- units:  capture_time UTC, when Config saw the state: seconds to minutes after the call that made
-- it, with recording_frequency DAILY up to a day; tags, relationships, configuration,
-- supplementary_configuration: JSON text; state_hash: equal when configuration and tags are equal;
-- delivered_by: history, snapshot, notification, other
select
    items.capture_time,
    items.account_id,
    items.aws_region,
    items.availability_zone,
    items.resource_type,
    items.resource_id,
    items.resource_name,
    items.arn,
    items.status,
    items.state_id,
    items.item_version,
    items.resource_creation_time,
    items.delivery_time,
    items.recording_frequency,
    items.related_events,
    items.tags,
    items.relationships,
    items.configuration,
    items.supplementary_configuration,
    items.unknown_fields,
    items.delivered_by,
    items.item_id,
    items.state_hash,
    items.relationships_hash,
    items.masked_paths,
    items.source_object,
    items.source_row,
    account_directory.account_name,
    account_directory.environment
from lake.config_items as items
left join account_directory
    on account_directory.account_id = items.account_id
