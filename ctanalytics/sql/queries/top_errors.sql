-- Errors by code and API.
-- grain:  account_id, error_code, event_source, event_name
-- reads:  errors
-- params: top integer = 20
select
    account_id,
    error_class,
    error_code,
    event_source,
    event_name,
    calls,
    principals,
    last_seen,
    message_shape
from errors
order by calls desc, account_id, error_code, event_source, event_name
limit $top
