-- Failed console sign-ins by user and address.
-- grain:  account_id, user_name, source_ip_address
-- reads:  logins
select
    account_id,
    user_name,
    user_name_hidden,
    source_ip_address,
    count(*) as failures,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from logins
where not succeeded
group by account_id, user_name, user_name_hidden, source_ip_address
order by failures desc, account_id, user_name, source_ip_address
