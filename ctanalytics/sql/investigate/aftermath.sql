-- What the users and roles did, since the subject made them or gave somebody a way into them.
-- grain:  account_id, principal_arn
-- reads:  events, account_directory
-- params: arns (list), since, until (UTC, half-open), rows
-- units:  calls, writes, errors: counts; times UTC
with used as (
    select
        account_id,
        principal_arn,
        count(*) as calls,
        count(*) filter (where not read_only) as writes,
        count(*) filter (where is_error) as errors,
        count(*) filter (where event_name = 'ConsoleLogin') as sign_ins,
        count(distinct source_ip_address) as source_ip_addresses,
        max(source_ip_address) as example,
        min(event_time) as first_seen,
        max(event_time) as last_seen
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
      and principal_arn in $arns
    group by account_id, principal_arn
)
select
    used.principal_arn,
    used.account_id,
    account_directory.account_name,
    used.calls,
    used.writes,
    used.errors,
    used.sign_ins,
    used.source_ip_addresses,
    used.example,
    used.first_seen,
    used.last_seen,
    count(*) over () as found
from used
left join account_directory
    on account_directory.account_id = used.account_id
order by used.first_seen, used.principal_arn
limit $rows
