-- Writes in regions where a principal wrote nothing before the last days of the lake.
-- grain:  account_id, aws_region, principal
-- reads:  events
-- params: days integer = 7
with writes as (
    select
        account_id,
        aws_region,
        coalesce(principal_arn, actor) as principal,
        count(*) as calls,
        min(event_time) as first_seen,
        max(event_time) as last_seen
    from events
    where not read_only
      and invoked_by is null
      and principal_type <> 'service'
    group by account_id, aws_region, coalesce(principal_arn, actor)
)
select
    account_id,
    aws_region,
    principal,
    calls,
    first_seen,
    last_seen
from writes
where first_seen > (select max(last_seen) from writes) - to_days($days)
order by first_seen, account_id, aws_region, principal
