-- What became of each object that an ingest looked at; the newest word on it counts.
-- grain:  bucket, key, version_id, etag
-- reads:  lake.log_files
-- units:  size_bytes: as stored; bytes_decompressed: bytes; records, records_quarantined, records_filtered:
--         counts; trail: bucket and prefix that trails deliver to, all that a key tells of its trail
select
    bucket,
    key,
    version_id,
    etag,
    kind,
    account_id,
    aws_region,
    case
        when key like '%AWSLogs/%'
            then bucket || '/' || regexp_extract(key, '^(.*?AWSLogs(/o-[a-z0-9]{3,32})?)/', 1)
        else bucket
    end as trail,
    delivery_date,
    delivered_at,
    state,
    reason,
    size_bytes,
    bytes_decompressed,
    records,
    records_quarantined,
    records_filtered,
    first_event_time,
    last_event_time,
    storage_class,
    last_modified,
    sha256,
    settings_hash,
    plan_id,
    ingested_at
from lake.log_files
qualify row_number() over (
    partition by bucket, key, version_id, etag
    order by plan_id desc, ingested_at desc, state
) = 1
