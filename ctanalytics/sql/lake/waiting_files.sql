-- Objects of a source that have to be read again, delivered on days that are not listed any more.
-- grain:  bucket, key
-- reads:  lake.log_files
-- units:  size_bytes: as stored
-- params: bucket, prefix (of keys), before (delivery day, exclusive), states
with newest as (
    select
        bucket,
        key,
        version_id,
        etag,
        size_bytes,
        last_modified,
        storage_class,
        delivery_date,
        state
    from lake.log_files
    where bucket = $bucket
      and starts_with(key, $prefix)
    qualify row_number() over (
        partition by bucket, key
        order by plan_id desc, ingested_at desc, state
    ) = 1
)
select
    bucket,
    key,
    version_id,
    case when state = 'changed' then '' else etag end as etag,
    size_bytes,
    last_modified,
    storage_class
from newest
where delivery_date < $before
  and state in (select unnest($states))
order by key
