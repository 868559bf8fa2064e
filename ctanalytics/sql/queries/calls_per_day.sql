-- Calls, writes and errors of each account and day.
-- grain:  account_id, event_date
-- reads:  events
select
    account_id,
    event_date,
    count(*) as calls,
    count(*) filter (where not read_only) as writes,
    count(*) filter (where is_error) as errors,
    count(distinct coalesce(principal_arn, actor)) as principals
from events
where event_time_status = 'ok'
group by account_id, event_date
order by event_date, account_id
