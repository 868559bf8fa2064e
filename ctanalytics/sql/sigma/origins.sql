-- The S3 buckets and the accounts that logs were ingested from.
-- grain:  bucket, account_id
-- reads:  lake.log_files
select distinct
    case when bucket <> 'file' then bucket end as bucket,
    account_id
from lake.log_files
