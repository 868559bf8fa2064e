-- Active long-lived keys of at least so many days.
-- grain:  access_key_id
-- reads:  access_keys
-- params: days integer = 90
select
    access_key_id,
    account_id,
    user_name,
    age_days,
    age_is_least,
    last_used,
    last_source_ip_address
from access_keys
where status = 'active'
  and age_days >= $days
order by age_days desc, access_key_id
