-- Keys that more than one row of a date has; ingest writes each key once.
-- grain:  account_id, key
-- reads:  lake.events
-- units:  copies: count
-- params: date, limit (rows)
select
    account_id,
    coalesce(nullif(event_id, ''), record_sha256) as key,
    count(*) as copies
from lake.events
where event_date = $date
group by account_id, coalesce(nullif(event_id, ''), record_sha256)
having count(*) > 1
order by account_id, key
limit $limit
