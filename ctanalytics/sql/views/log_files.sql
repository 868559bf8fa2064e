-- Each object that an ingest looked at, with what validation says about the content it had then.
-- The verdict is null until `ctanalytics validate --lake` has looked at the file. A file that was
-- valid when it was validated and had other content when it was ingested is modified.
-- grain:  bucket, key, version_id, etag
-- reads:  ingest_files, lake.file_verdicts
-- units:  records: count; sha256: hex, of the uncompressed content that was ingested
with checked as (
    select
        bucket,
        key,
        verdict,
        detail,
        sha256,
        digest_bucket,
        digest_key,
        keys_from,
        validated_at
    from lake.file_verdicts
    where kind = 'log'
    qualify row_number() over (partition by bucket, key order by validated_at desc, verdict) = 1
)
select
    held.bucket || '/' || held.key as source_object,
    held.bucket,
    held.key,
    held.version_id,
    held.etag,
    held.kind,
    held.account_id,
    held.aws_region,
    held.delivery_date,
    held.state,
    held.size_bytes,
    held.records,
    held.sha256,
    case
        when checked.verdict = 'valid' and held.sha256 <> checked.sha256 then 'modified'
        else checked.verdict
    end as verdict,
    case
        when checked.verdict = 'valid' and held.sha256 <> checked.sha256
            then 'what was ingested is not what was validated'
        else checked.detail
    end as verdict_detail,
    checked.digest_bucket,
    checked.digest_key,
    checked.keys_from,
    checked.validated_at,
    held.plan_id,
    held.ingested_at
from ingest_files as held
left join checked
    on checked.bucket = held.bucket
    and checked.key = held.key
