-- Who stands behind some calls.
-- grain:  account_id, event_id
-- reads:  call_origins
-- params: event_ids, since, until
select
    account_id,
    event_id,
    human,
    human_from
from call_origins
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_id in (select unnest($event_ids))
