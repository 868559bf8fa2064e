-- Which principals and APIs make most records, management and data apart.
-- grain:  event_category, account_id, principal, event_source, event_name
-- reads:  events
-- params: top integer = 20
select
    coalesce(event_category, 'Management') as event_category,
    account_id,
    coalesce(principal_arn, actor) as principal,
    event_source,
    event_name,
    count(*) as records,
    cast(count(*) as double) / sum(count(*)) over () as share
from events
group by
    coalesce(event_category, 'Management'),
    account_id,
    coalesce(principal_arn, actor),
    event_source,
    event_name
order by records desc, account_id, principal, event_source, event_name
limit $top
