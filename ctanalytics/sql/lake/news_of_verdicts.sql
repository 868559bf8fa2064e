-- What a validation found that is not what is kept already.
-- grain:  kind, bucket, key
-- reads:  found_verdicts (rows of file_verdicts that are not kept yet), lake.file_verdicts
with kept as (
    select
        *
    from lake.file_verdicts
    qualify row_number() over (
        partition by kind, bucket, key order by validated_at desc, verdict
    ) = 1
)
select
    found.*
from found_verdicts as found
where not exists (
    select 1
    from kept
    where kept.kind = found.kind
      and kept.bucket = found.bucket
      and kept.key = found.key
      and kept.verdict = found.verdict
      and kept.detail is not distinct from found.detail
      and kept.sha256 is not distinct from found.sha256
      and kept.digest_key is not distinct from found.digest_key
      and kept.keys_from = found.keys_from
)
