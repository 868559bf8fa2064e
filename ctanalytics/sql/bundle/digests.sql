-- The newest word on some digests.
-- grain:  bucket, key
-- reads:  bundle_digests (bucket, key), lake.file_verdicts
select
    found.bucket,
    found.key,
    found.verdict,
    found.delivered_bucket,
    found.delivered_key,
    found.keys_from
from lake.file_verdicts as found
join bundle_digests as wanted
    on wanted.bucket = found.bucket
    and wanted.key = found.key
where found.kind = 'digest'
qualify row_number() over (
    partition by found.bucket, found.key order by found.validated_at desc, found.verdict
) = 1
order by found.bucket, found.key
