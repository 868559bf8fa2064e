-- Active long-lived keys that nobody used in the last days of the lake.
-- grain:  access_key_id
-- reads:  access_keys, events
-- params: days integer = 45
select
    access_key_id,
    account_id,
    user_name,
    created_at,
    created_by,
    last_used
from access_keys
where status = 'active'
  and coalesce(last_used, created_at)
      < (select max(event_time) from events where event_time_status = 'ok') - to_days($days)
order by access_key_id
