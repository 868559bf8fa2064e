-- The log files that rows come from, with what validation found about them.
-- grain:  source_object
-- reads:  bundle_objects (source_object), log_files, lake.file_verdicts
select
    log_files.source_object,
    log_files.bucket,
    log_files.key,
    log_files.sha256,
    log_files.verdict,
    log_files.digest_bucket,
    log_files.digest_key,
    delivered.delivered_key
from bundle_objects
join log_files
    on log_files.source_object = bundle_objects.source_object
left join (
    select
        bucket,
        key,
        delivered_key
    from lake.file_verdicts
    where kind = 'log'
    qualify row_number() over (partition by bucket, key order by validated_at desc, verdict) = 1
) as delivered
    on delivered.bucket = log_files.bucket
    and delivered.key = log_files.key
where log_files.sha256 is not null
qualify row_number() over (
    partition by log_files.source_object order by log_files.plan_id desc, log_files.ingested_at desc
) = 1
order by log_files.source_object
