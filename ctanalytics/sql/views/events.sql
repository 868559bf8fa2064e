-- Every management, data and network activity record, one row for each account and event id.
-- Where AWS later delivered a corrected copy under the same id, the copy with an addendum counts.
-- grain:  account_id, event_id
-- reads:  lake.events, lake.event_conflicts
-- units:  event_time UTC with microseconds; event_hour 0-23 UTC; event_dow 1 Monday to 7 Sunday
select
    original.*
from lake.events as original
where not exists (
    select 1
    from lake.event_conflicts as correction
    where correction.addendum_reason is not null
      and correction.event_date = original.event_date
      and correction.account_id = original.account_id
      and correction.event_id = original.event_id
)
union all by name
select
    correction.*
from lake.event_conflicts as correction
where correction.addendum_reason is not null
qualify row_number() over (
    partition by correction.account_id, correction.event_id
    order by correction.plan_id desc, correction.source_object desc, correction.source_row desc
) = 1
