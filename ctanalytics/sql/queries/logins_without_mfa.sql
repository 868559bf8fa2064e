-- Root and IAM users who got into the console with a password alone.
-- grain:  account_id, event_id
-- reads:  logins
select
    event_time,
    account_id,
    account_name,
    principal_type,
    principal_arn,
    source_ip_address,
    event_id
from logins
where without_mfa
order by event_time, event_id
