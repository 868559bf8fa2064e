-- Changes to buckets themselves: policy, public access, versioning, lifecycle, encryption.
-- grain:  account_id, event_id
-- reads:  events
select
    event_time,
    account_id,
    event_name,
    regexp_extract(request_parameters, '"bucketName"\s*:\s*"([^"]+)"', 1) as bucket_name,
    coalesce(principal_arn, actor) as principal,
    error_code,
    source_ip_address,
    event_id
from events
where event_source = 's3.amazonaws.com'
  and not read_only
  and regexp_matches(event_name, '^(Put|Delete|Create)(Bucket|AccountPublicAccessBlock)')
order by event_time, event_id
