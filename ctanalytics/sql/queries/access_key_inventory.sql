-- Long-lived access keys, the oldest first.
-- grain:  access_key_id
-- reads:  access_keys
select
    access_key_id,
    account_id,
    user_name,
    status,
    created_at,
    created_by,
    age_days,
    age_is_least,
    last_used,
    calls
from access_keys
order by age_days desc nulls last, access_key_id
