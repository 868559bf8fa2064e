-- The delivery times that digests which hold vouch for.
-- grain:  account_id, aws_region, covers_since
-- reads:  lake.file_verdicts
-- units:  promised: log files that the digest lists
-- params: since, until (UTC, half-open)
with newest as (
    select
        account_id,
        aws_region,
        verdict,
        backfill,
        covers_since,
        covers_until,
        promised
    from lake.file_verdicts
    where kind = 'digest'
    qualify row_number() over (partition by bucket, key order by validated_at desc, verdict) = 1
)
select
    account_id,
    aws_region,
    covers_since,
    covers_until,
    promised
from newest
where verdict in ('valid', 'trailing data')
  and not backfill
  and covers_until > $since
  and covers_since < $until
order by account_id, aws_region, covers_since
