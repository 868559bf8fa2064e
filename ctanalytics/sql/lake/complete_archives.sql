-- Archives that were read to their end, and no member of which waits for another try.
-- grain:  key, etag
-- reads:  lake.log_files
-- params: bucket, mark (between an archive's key and its members' names), states (of waiting members)
with newest as (
    select
        key,
        etag,
        state
    from lake.log_files
    where bucket = $bucket
    qualify row_number() over (
        partition by key
        order by plan_id desc, ingested_at desc, state
    ) = 1
),
waiting as (
    select
        key
    from newest
    where contains(key, $mark)
      and state in (select unnest($states))
)
select
    newest.key,
    newest.etag
from newest
where newest.state = 'skipped'
  and not exists (
    select
        1
    from waiting
    where starts_with(waiting.key, newest.key || $mark)
)
order by newest.key
