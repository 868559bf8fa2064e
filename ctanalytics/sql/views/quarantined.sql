-- What could not become rows and still has not: where it is and why. A row goes when a later
-- ingest has read its object again. The bytes themselves are in lake.quarantine.
-- grain:  bucket, key, record (null: the whole object), plan_id
-- reads:  lake.quarantine, lake.log_files
-- units:  record: place in the object from 0; size_bytes: of the record set aside
with read_again as (
    select
        bucket,
        key,
        max(plan_id) as plan_id
    from lake.log_files
    where state in ('ingested', 'partial', 'quarantined', 'empty', 'skipped')
    group by bucket, key
)
select
    quarantine.bucket,
    quarantine.key,
    quarantine.record,
    quarantine.json_path,
    quarantine.reason,
    quarantine.detail,
    octet_length(quarantine.content) as size_bytes,
    quarantine.plan_id,
    quarantine.quarantined_at
from lake.quarantine as quarantine
left join read_again
    on read_again.bucket = quarantine.bucket
   and read_again.key = quarantine.key
where read_again.plan_id is null
   or read_again.plan_id <= quarantine.plan_id
