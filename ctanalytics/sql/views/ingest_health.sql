-- What came of each account's log files, day by day and trail by trail: is it all there, how late was
-- it, and how much of it another trail had brought before.
-- grain:  account_id, delivery_date, trail
-- reads:  ingest_files, lake.duplicates, prices
-- units:  files, records: counts; records_duplicate: records that other objects had brought, whenever
--         they came; duplicate_share: of records; doubles_trail: the trail whose records most of them
--         repeat; lag_minutes: from an object's first event to its delivery; duplicate_usd: list price
--         of the management events among them, where the trails are two
with newest as (
    select
        source_object,
        first_object,
        records,
        management_records
    from lake.duplicates
    where source_object <> first_object
    qualify plan_id = max(plan_id) over (partition by source_object)
),
repeated as (
    select
        source_object,
        first_object,
        sum(records) as records,
        sum(management_records) as management_records
    from newest
    group by source_object, first_object
),
places as (
    select distinct
        bucket || '/' || key as source_object,
        trail
    from ingest_files
),
repeated_by_trail as (
    select
        repeated.source_object,
        places.trail as first_trail,
        sum(repeated.records) as records,
        sum(repeated.management_records) as management_records
    from repeated
    left join places
        on places.source_object = repeated.first_object
    group by repeated.source_object, places.trail
),
per_trail as (
    select
        files.account_id,
        files.delivery_date,
        files.trail,
        repeats.first_trail,
        sum(repeats.records) as records,
        sum(
            case
                when repeats.first_trail <> files.trail
                 and 'lookup-events' not in (repeats.first_trail, files.trail)  -- it costs nothing
                    then repeats.management_records
                else 0
            end
        ) as paid_records
    from (
        select distinct
            account_id,
            delivery_date,
            trail,
            bucket || '/' || key as source_object
        from ingest_files
    ) as files
    inner join repeated_by_trail as repeats
        on repeats.source_object = files.source_object
    group by files.account_id, files.delivery_date, files.trail, repeats.first_trail
),
doubled as (
    select
        account_id,
        delivery_date,
        trail,
        sum(records) as records,
        sum(paid_records) as paid_records,
        max_by(first_trail, records) as first_trail
    from per_trail
    group by account_id, delivery_date, trail
),
counted as (
    select
        account_id,
        delivery_date,
        trail,
        count(*) as files,
        count(*) filter (where state in ('partial', 'quarantined')) as files_set_aside,
        count(*) filter (where state in ('denied', 'gone', 'changed', 'deferred')) as files_waiting,
        sum(coalesce(records, 0)) as records,
        sum(coalesce(records_filtered, 0)) as records_filtered,
        sum(coalesce(records_quarantined, 0)) as records_quarantined,
        -- Engines round a half in two ways: floor is the same in all.
        floor(
            median(epoch(delivered_at) - epoch(first_event_time)) / 6 + 0.5
        ) / 10 as lag_minutes_median,
        floor(max(epoch(delivered_at) - epoch(first_event_time)) / 6 + 0.5) / 10 as lag_minutes_most
    from ingest_files
    where state <> 'skipped'
      and kind is distinct from 'config'  -- whose snapshots repeat what they said before
    group by account_id, delivery_date, trail
)
select
    counted.account_id,
    counted.delivery_date,
    counted.trail,
    counted.files,
    counted.files_set_aside,
    counted.files_waiting,
    cast(counted.records as bigint) as records,
    cast(coalesce(doubled.records, 0) as bigint) as records_duplicate,
    cast(counted.records_filtered as bigint) as records_filtered,
    cast(counted.records_quarantined as bigint) as records_quarantined,
    case
        when counted.records > 0 then round(coalesce(doubled.records, 0) / counted.records, 3)
    end as duplicate_share,
    doubled.first_trail as doubles_trail,
    round(coalesce(doubled.paid_records, 0) * prices.usd / prices.per, 4) as duplicate_usd,
    counted.lag_minutes_median,
    counted.lag_minutes_most
from counted
cross join prices
left join doubled
    on doubled.account_id is not distinct from counted.account_id
   and doubled.delivery_date is not distinct from counted.delivery_date
   and doubled.trail = counted.trail
where prices.item = 'management event, additional copy'
