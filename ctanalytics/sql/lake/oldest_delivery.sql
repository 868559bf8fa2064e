-- The first delivery day of which a source's objects were looked at.
-- grain:  one row
-- reads:  lake.log_files
-- params: bucket, prefix (of keys)
select
    min(delivery_date) as delivery_date
from lake.log_files
where bucket = $bucket
  and starts_with(key, $prefix)
