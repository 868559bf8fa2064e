-- How many log files and digests have which verdict, and when they were last validated.
-- grain:  kind, verdict
-- reads:  lake.file_verdicts
with newest as (
    select
        kind,
        verdict,
        validated_at
    from lake.file_verdicts
    qualify row_number() over (
        partition by kind, bucket, key order by validated_at desc, verdict
    ) = 1
)
select
    kind,
    verdict,
    count(*) as files,
    max(validated_at) as validated_at
from newest
group by kind, verdict
order by kind, verdict
