-- What was read into the lake, and what became of it.
-- grain:  one row
-- reads:  lake.events, lake.event_conflicts, lake.aws_insights, lake.aggregated_events, lake.config_items,
--         lake.duplicates, lake.log_files
-- units:  counts
with ledger as (
    select
        count(*) as objects,
        coalesce(sum(records), 0) as records,
        coalesce(sum(records_quarantined), 0) as quarantined,
        coalesce(sum(records_filtered), 0) as filtered
    from lake.log_files
),
repeated as (
    select coalesce(sum(records), 0) as duplicates
    from lake.duplicates
),
contradicted as (
    select count(*) as conflicts
    from lake.event_conflicts
),
kept as (
    select count(*) as kept
    from (
        select plan_id from lake.events
        union all
        select plan_id from lake.event_conflicts
        union all
        select plan_id from lake.aws_insights
        union all
        select plan_id from lake.aggregated_events
        union all
        select plan_id from lake.config_items
    ) as all_records
)
select
    ledger.objects,
    cast(ledger.records as bigint) as records,
    kept.kept,
    cast(repeated.duplicates as bigint) as duplicates,
    contradicted.conflicts,
    cast(ledger.quarantined as bigint) as quarantined,
    cast(ledger.filtered as bigint) as filtered
from ledger
cross join repeated
cross join contradicted
cross join kept
