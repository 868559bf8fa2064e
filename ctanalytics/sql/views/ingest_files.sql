-- What became of each object that an ingest looked at; the newest word on it counts.
-- grain:  bucket, key, version_id, etag
-- reads:  lake.log_files
-- units:  size_bytes: as stored; bytes_decompressed: bytes; records, records_quarantined: counts
select
    bucket,
    key,
    version_id,
    etag,
    kind,
    account_id,
    aws_region,
    delivery_date,
    state,
    reason,
    size_bytes,
    bytes_decompressed,
    records,
    records_quarantined,
    storage_class,
    last_modified,
    sha256,
    plan_id,
    ingested_at
from lake.log_files
qualify row_number() over (
    partition by bucket, key, version_id, etag
    order by plan_id desc, ingested_at desc, state
) = 1
