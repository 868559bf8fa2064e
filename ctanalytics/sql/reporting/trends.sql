-- Calls in equal steps of the span, for the small charts beside the tables of activity.
-- grain:  kind (accounts, regions, users, apis), first_key, second_key, step
-- reads:  events
-- units:  step: from 0, each $step_seconds long; calls: count
-- params: since, until (UTC, half-open), step_seconds
with slices as (
    select
        account_id,
        aws_region,
        event_source,
        event_name,
        coalesce(principal_arn, actor) as principal,
        cast(floor((epoch(event_time) - epoch($since)) / $step_seconds) as integer) as step,
        count(*) as calls
    from events
    where event_date >= $since_date
      and event_date <= $until_date
      and event_time >= $since
      and event_time < $until
    group by
        account_id,
        aws_region,
        event_source,
        event_name,
        coalesce(principal_arn, actor),
        cast(floor((epoch(event_time) - epoch($since)) / $step_seconds) as integer)
)
select
    'accounts' as kind,
    account_id as first_key,
    cast(null as varchar) as second_key,
    step,
    cast(sum(calls) as bigint) as calls
from slices
group by account_id, step
union all
select
    'regions' as kind,
    account_id as first_key,
    aws_region as second_key,
    step,
    cast(sum(calls) as bigint) as calls
from slices
group by account_id, aws_region, step
union all
select
    'users' as kind,
    account_id as first_key,
    principal as second_key,
    step,
    cast(sum(calls) as bigint) as calls
from slices
group by account_id, principal, step
union all
select
    'apis' as kind,
    event_source as first_key,
    event_name as second_key,
    step,
    cast(sum(calls) as bigint) as calls
from slices
group by event_source, event_name, step
