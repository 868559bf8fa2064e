-- Console sign-ins, the newest first.
-- grain:  account_id, event_id
-- reads:  logins
-- params: top integer = 20
select
    event_time,
    account_id,
    account_name,
    principal_type,
    principal_arn,
    user_name,
    source_ip_address,
    succeeded,
    failure_reason,
    mfa_used,
    event_id
from logins
order by event_time desc, event_id
limit $top
