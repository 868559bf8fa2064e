-- Calls in equal steps of the span, for the small charts beside the tables of activity.
-- grain:  kind (accounts, regions, users, apis), first_key, second_key, step
-- reads:  report_slices
-- units:  step: from 0, as long as those of the slices; calls: count
select
    'accounts' as kind,
    account_id as first_key,
    cast(null as varchar) as second_key,
    step,
    cast(sum(calls) as bigint) as calls
from report_slices
group by account_id, step
union all
select
    'regions' as kind,
    account_id as first_key,
    aws_region as second_key,
    step,
    cast(sum(calls) as bigint) as calls
from report_slices
group by account_id, aws_region, step
union all
select
    'users' as kind,
    account_id as first_key,
    principal as second_key,
    step,
    cast(sum(calls) as bigint) as calls
from report_slices
group by account_id, principal, step
union all
select
    'apis' as kind,
    event_source as first_key,
    event_name as second_key,
    step,
    cast(sum(calls) as bigint) as calls
from report_slices
group by event_source, event_name, step
