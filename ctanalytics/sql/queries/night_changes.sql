-- Writes of people outside working hours: at weekends, before 6 and after 20 o clock UTC.
-- grain:  account_id, principal, event_name
-- reads:  events
select
    account_id,
    coalesce(principal_arn, actor) as principal,
    session_name,
    event_source,
    event_name,
    count(*) as calls,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from events
where not read_only
  and (event_hour < 6 or event_hour >= 20 or event_dow >= 6)
  and (
      principal_type in ('user', 'root')
      or principal_arn like '%:role/aws-reserved/sso.amazonaws.com/%'
  )
group by
    account_id,
    coalesce(principal_arn, actor),
    session_name,
    event_source,
    event_name
order by calls desc, account_id, principal, session_name, event_source, event_name
