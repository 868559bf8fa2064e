-- What root users did, by API.
-- grain:  account_id, event_source, event_name
-- reads:  events
select
    account_id,
    event_source,
    event_name,
    count(*) as calls,
    count(*) filter (where is_error) as errors,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from events
where principal_type = 'root'
group by account_id, event_source, event_name
order by account_id, event_source, event_name
