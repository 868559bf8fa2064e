-- Objects whose records the lake does not account for: more rows than there were, rows that no
-- object can have given, or fewer than were read. Each object counts as it was last read.
-- grain:  object, plan_id
-- reads:  lake.events, lake.event_conflicts, lake.aws_insights, lake.aggregated_events, lake.config_items,
--         lake.duplicates, lake.log_files, lake.quarantine
-- units:  counts of records; last_row: the highest place in the object, from 0
with kept as (
    select
        source_object as object,
        plan_id,
        count(*) as kept,
        max(source_row) as last_row
    from (
        select source_object, plan_id, source_row from lake.events
        union all
        select source_object, plan_id, source_row from lake.event_conflicts
        union all
        select source_object, plan_id, source_row from lake.aws_insights
        union all
        select source_object, plan_id, source_row from lake.aggregated_events
        union all
        select source_object, plan_id, source_row from lake.config_items
    ) as records_of_objects
    group by source_object, plan_id
),
duplicates as (
    select
        source_object as object,
        plan_id,
        sum(records) as duplicates
    from lake.duplicates
    group by source_object, plan_id
),
set_aside as (
    select
        bucket || '/' || key as object,
        plan_id,
        count(record) as set_aside
    from lake.quarantine
    group by bucket, key, plan_id
),
ledger as (
    select
        bucket || '/' || key as object,
        plan_id,
        sum(coalesce(records, 0)) as records,
        sum(coalesce(records_quarantined, 0)) as quarantined,
        sum(coalesce(records_filtered, 0)) as filtered,
        min(coalesce(cast(first_event_time as date), delivery_date)) as first_date,
        plan_id = max(plan_id) over (partition by bucket, key) as is_newest
    from lake.log_files
    group by bucket, key, plan_id
),
compared as (
    select
        coalesce(ledger.object, kept.object, set_aside.object) as object,
        coalesce(ledger.plan_id, kept.plan_id, set_aside.plan_id) as plan_id,
        ledger.object is not null as is_known,
        coalesce(ledger.is_newest, false) as is_newest,
        ledger.first_date,
        coalesce(ledger.records, 0) as records,
        coalesce(ledger.quarantined, 0) as quarantined,
        coalesce(kept.kept, 0) as kept,
        coalesce(set_aside.set_aside, 0) as set_aside,
        coalesce(ledger.quarantined, 0) + coalesce(ledger.filtered, 0) + coalesce(kept.kept, 0)
            + coalesce(duplicates.duplicates, 0) as accounted,
        kept.last_row
    from ledger
    full join kept
        on kept.object = ledger.object
       and kept.plan_id = ledger.plan_id
    full join set_aside
        on set_aside.object = coalesce(ledger.object, kept.object)
       and set_aside.plan_id = coalesce(ledger.plan_id, kept.plan_id)
    left join duplicates
        on duplicates.object = ledger.object
       and duplicates.plan_id = ledger.plan_id
),
judged as (
    select
        object,
        plan_id,
        first_date,
        records,
        accounted,
        case
            when not is_known then 'unknown'
            when accounted > records then 'too_many'
            when last_row >= records then 'place'
            when set_aside > quarantined then 'quarantine'
            when is_newest and accounted < records then 'missing'
        end as flaw
    from compared
)
select
    object,
    plan_id,
    first_date,
    records,
    accounted,
    flaw
from judged
where flaw is not null
order by object, plan_id
