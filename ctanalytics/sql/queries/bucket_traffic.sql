-- Bytes that left and came into each bucket, and who moved them; from S3 data events.
-- grain:  account_id, bucket_name, principal
-- reads:  data_events
-- params: top integer = 20
select
    account_id,
    bucket_name,
    principal,
    count(*) as calls,
    count(distinct object_key) as objects,
    cast(sum(bytes_out) as bigint) as bytes_out,
    cast(sum(bytes_in) as bigint) as bytes_in,
    max(event_time) as last_seen
from data_events
where bucket_name is not null
group by account_id, bucket_name, principal
order by bytes_out desc nulls last, account_id, bucket_name, principal
limit $top
