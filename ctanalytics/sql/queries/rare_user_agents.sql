-- Programs that few calls came from; odd ones are worth a look.
-- grain:  user_agent
-- reads:  events
-- params: top integer = 20
select
    user_agent,
    count(*) as calls,
    count(distinct coalesce(principal_arn, actor)) as principals,
    min(coalesce(principal_arn, actor)) as a_principal,
    min(event_time) as first_seen,
    max(event_time) as last_seen
from events
where principal_type <> 'service'
  and user_agent is not null
group by user_agent
order by calls, user_agent
limit $top
