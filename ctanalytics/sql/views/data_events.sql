-- Data events (S3 objects, Lambda invocations, DynamoDB items, ...), one row each.
-- grain:  account_id, event_id
-- reads:  events, account_directory
-- units:  event_time UTC; bytes_in, bytes_out: bytes, of S3 alone; resource: the first ARN named;
-- object_key: as it stands in the JSON text, escapes and all
select
    events.event_date,
    events.event_time,
    events.account_id,
    events.aws_region,
    events.event_id,
    events.event_source,
    events.event_name,
    events.read_only,
    events.is_error,
    events.error_code,
    events.principal_type,
    coalesce(events.principal_arn, events.actor) as principal,
    events.session_name,
    events.access_key_id,
    events.source_ip_address,
    events.user_agent,
    events.vpc_endpoint_id,
    events.resource_arns[1] as resource,
    nullif(regexp_extract(events.request_parameters, '"bucketName"\s*:\s*"([^"\\]+)"', 1), '')
        as bucket_name,
    nullif(regexp_extract(events.request_parameters, '"key"\s*:\s*"((?:[^"\\]|\\.)+)"', 1), '')
        as object_key,
    try_cast(
        nullif(
            regexp_extract(
                events.additional_event_data, '"bytesTransferredIn"\s*:\s*([0-9]+)', 1
            ),
            ''
        ) as bigint
    ) as bytes_in,
    try_cast(
        nullif(
            regexp_extract(
                events.additional_event_data, '"bytesTransferredOut"\s*:\s*([0-9]+)', 1
            ),
            ''
        ) as bigint
    ) as bytes_out,
    account_directory.account_name,
    account_directory.environment
from events
left join account_directory
    on account_directory.account_id = events.account_id
where events.event_category = 'Data'
   or (events.event_category is null and not events.management_event)
