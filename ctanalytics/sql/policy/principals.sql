-- Principals that a text may mean: an ARN, a session's ARN, or the end of an ARN.
-- grain:  principal_arn
-- reads:  events
-- params: text, since, until
select
    principal_arn,
    min(principal_type) as principal_type,
    count(*) as calls
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and principal_arn is not null
  and (
      principal_arn = $text
      or identity_arn = $text
      or ends_with(principal_arn, '/' || $text)
  )
group by principal_arn
order by principal_arn
