-- Keys of a bucket's objects whose newest state is one of these.
-- grain:  key
-- reads:  lake.log_files
-- params: bucket, states
with newest as (
    select
        key,
        state
    from lake.log_files
    where bucket = $bucket
    qualify row_number() over (
        partition by key
        order by plan_id desc, ingested_at desc, state
    ) = 1
)
select
    key
from newest
where state in (select unnest($states))
order by key
