-- How many digest files have which verdict, and when they were last validated.
-- grain:  verdict
-- reads:  lake.file_verdicts
-- units:  digests: count
with newest as (
    select
        verdict,
        keys_from,
        validated_at
    from lake.file_verdicts
    where kind = 'digest'
    qualify row_number() over (partition by bucket, key order by validated_at desc, verdict) = 1
)
select
    verdict,
    count(*) as digests,
    max(validated_at) as validated_at,
    max(keys_from) as keys_from
from newest
group by verdict
order by digests desc, verdict
