-- Objects deleted from buckets, by who and bucket and day.
-- grain:  account_id, bucket_name, principal, event_date
-- reads:  data_events
select
    account_id,
    bucket_name,
    principal,
    event_date,
    count(*) as deletions,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from data_events
where event_name in ('DeleteObject', 'DeleteObjects')
  and not is_error
group by account_id, bucket_name, principal, event_date
order by deletions desc, account_id, bucket_name, principal, event_date
