-- What was deleted, by whom; data of buckets and tables aside.
-- grain:  account_id, event_id
-- reads:  events
-- params: top integer = 100
select
    event_time,
    account_id,
    aws_region,
    event_source,
    event_name,
    coalesce(principal_arn, actor) as principal,
    error_code,
    event_id
from events
where regexp_matches(event_name, '^(Delete|Terminate|ScheduleKeyDeletion)')
  and coalesce(event_category, 'Management') = 'Management'
order by event_time desc, event_id
limit $top
