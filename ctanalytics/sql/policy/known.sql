-- Principals that called anything.
-- grain:  principal_arn
-- reads:  events
-- params: since, until
select distinct
    principal_arn
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and principal_type in ('user', 'role')
  and principal_arn is not null -- a failed sign-in has none
order by principal_arn
limit 5000
