-- What is known of each account, region and hour: events, the log files that digests promise and
-- those that are held, and whether a digest vouches for the hour at all. The state is stopped (a
-- trail of the account was switched off, and nothing else logs), incomplete (promised files are not
-- held, or were altered), complete (events, and all promised files), unproved (events, and no digest
-- covers the hour), quiet (a digest covers the hour, and nothing was logged) or unknown (no events
-- and no digest). Events count by their own hour, files by that of their delivery.
-- grain:  account_id, aws_region, hour
-- reads:  events, ingest_files, lake.file_verdicts, lake.log_files
-- units:  hour: start, UTC; events, files, changes: counts; usual_events: average of the same hour of
--         the 28 days before; late_files: delivered 75 minutes and more after their first event
-- By date and hour, which are counted faster than times are cut.
with event_counts as (
    select
        account_id,
        aws_region,
        event_date,
        event_hour,
        count(*) as events
    from events
    where event_time_status = 'ok'
    group by account_id, aws_region, event_date, event_hour
),
event_hours as (
    select
        account_id,
        aws_region,
        cast(cast(event_date as timestamp) as timestamptz) + event_hour * interval 1 hour as hour,
        events
    from event_counts
),
selector_hours as (
    select
        account_id,
        date_trunc('hour', event_time) as hour,
        count(*) as selector_changes
    from events
    where event_time_status = 'ok'
      and event_source = 'cloudtrail.amazonaws.com'
      and event_name in ('PutEventSelectors', 'PutInsightSelectors', 'UpdateTrail')
      and error_code is null
    group by account_id, date_trunc('hour', event_time)
),
switches as (
    select
        account_id,
        event_name,
        event_time as stopped_at,
        lead(event_time) over (
            partition by
                account_id,
                aws_region,
                regexp_extract(json_extract_string(request_parameters, '$.name'), '[^/]*$')
            order by event_time
        ) as started_at
    from events
    where event_time_status = 'ok'
      and event_source = 'cloudtrail.amazonaws.com'
      and event_name in ('StopLogging', 'StartLogging', 'DeleteTrail', 'CreateTrail')
      and error_code is null
),
stops as (
    select
        account_id,
        stopped_at,
        started_at
    from switches
    where event_name in ('StopLogging', 'DeleteTrail')
),
checked as (
    select
        kind,
        bucket,
        key,
        verdict,
        account_id,
        aws_region,
        trail,
        backfill,
        delivered_at,
        covers_since,
        covers_until,
        digest_key
    from lake.file_verdicts
    qualify row_number() over (
        partition by kind, bucket, key order by validated_at desc, verdict
    ) = 1
),
covered_seconds as (
    select
        checked.account_id,
        checked.aws_region,
        checked.trail,
        date_trunc('hour', checked.covers_since) + steps.step * interval 1 hour as hour,
        sum(
            greatest(
                0,
                epoch(
                    least(
                        checked.covers_until,
                        date_trunc('hour', checked.covers_since) + (steps.step + 1) * interval 1 hour
                    )
                ) - epoch(
                    greatest(
                        checked.covers_since,
                        date_trunc('hour', checked.covers_since) + steps.step * interval 1 hour
                    )
                )
            )
        ) as seconds
    from checked
    cross join (values (0), (1), (2)) as steps(step)
    where checked.kind = 'digest'
      and checked.verdict in ('valid', 'trailing data')
      and not checked.backfill
      and checked.covers_until > date_trunc('hour', checked.covers_since) + steps.step * interval 1 hour
    group by
        checked.account_id,
        checked.aws_region,
        checked.trail,
        date_trunc('hour', checked.covers_since) + steps.step * interval 1 hour
),
covered_hours as (
    select
        account_id,
        aws_region,
        hour,
        max(seconds) >= 3590 as covered
    from covered_seconds
    group by account_id, aws_region, hour
),
file_hours as (
    select
        checked.account_id,
        checked.aws_region,
        date_trunc('hour', checked.delivered_at) as hour,
        count(*) filter (where checked.digest_key is not null) as files_promised,
        count(*) filter (
            where checked.digest_key is not null and held.state in ('ingested', 'partial', 'empty')
        ) as files_held,
        count(*) filter (where checked.verdict in ('missing', 'moved')) as files_missing,
        count(*) filter (
            where checked.verdict in ('modified', 'trailing data', 'truncated')
        ) as files_altered,
        count(*) filter (where checked.verdict = 'unlisted') as files_unlisted
    from checked
    left join ingest_files as held
        on held.bucket = checked.bucket
        and held.key = checked.key
    where checked.kind = 'log'
      and checked.delivered_at is not null
    group by checked.account_id, checked.aws_region, date_trunc('hour', checked.delivered_at)
),
late_hours as (
    select
        account_id,
        aws_region,
        date_trunc('hour', delivered_at) as hour,
        count(*) as late_files
    from lake.log_files
    where first_event_time < delivered_at - interval 75 minute
    group by account_id, aws_region, date_trunc('hour', delivered_at)
),
known as (
    select
        account_id,
        aws_region,
        hour
    from event_hours
    union all
    select
        account_id,
        aws_region,
        hour
    from covered_hours
    where covered
    union all
    select
        account_id,
        aws_region,
        hour
    from file_hours
),
spans as (
    select
        account_id,
        aws_region,
        min(hour) as first_hour
    from known
    group by account_id, aws_region
),
newest as (
    select
        max(hour) as last_hour
    from known
),
cells as (
    select
        spans.account_id,
        spans.aws_region,
        unnest(generate_series(spans.first_hour, newest.last_hour, interval 1 hour)) as hour
    from spans
    cross join newest
),
facts as (
    select
        cells.account_id,
        cells.aws_region,
        cells.hour,
        coalesce(event_hours.events, 0) as events,
        coalesce(file_hours.files_promised, 0) as files_promised,
        coalesce(file_hours.files_held, 0) as files_held,
        coalesce(file_hours.files_missing, 0) as files_missing,
        coalesce(file_hours.files_altered, 0) as files_altered,
        coalesce(file_hours.files_unlisted, 0) as files_unlisted,
        coalesce(late_hours.late_files, 0) as late_files,
        coalesce(covered_hours.covered, false) as covered,
        coalesce(selector_hours.selector_changes, 0) as selector_changes,
        exists (
            select 1
            from stops
            where stops.account_id = cells.account_id
              and stops.stopped_at < cells.hour + interval 1 hour
              and coalesce(stops.started_at > cells.hour, true)
        ) as logging_stopped,
        exists (
            select 1
            from stops
            where stops.account_id = cells.account_id
              and (
                  date_trunc('hour', stops.stopped_at) = cells.hour
                  or date_trunc('hour', stops.started_at) = cells.hour
              )
        ) as logging_switched
    from cells
    left join event_hours
        on event_hours.account_id is not distinct from cells.account_id
        and event_hours.aws_region is not distinct from cells.aws_region
        and event_hours.hour = cells.hour
    left join covered_hours
        on covered_hours.account_id = cells.account_id
        and covered_hours.aws_region = cells.aws_region
        and covered_hours.hour = cells.hour
    left join file_hours
        on file_hours.account_id = cells.account_id
        and file_hours.aws_region = cells.aws_region
        and file_hours.hour = cells.hour
    left join late_hours
        on late_hours.account_id = cells.account_id
        and late_hours.aws_region = cells.aws_region
        and late_hours.hour = cells.hour
    left join selector_hours
        on selector_hours.account_id = cells.account_id
        and selector_hours.hour = cells.hour
),
usual as (
    select
        *,
        avg(events) over earlier as usual_events,
        count(*) over earlier as earlier_days,
        min(events) over earlier as fewest_events
    from facts
    window earlier as (
        partition by account_id, aws_region, date_part('hour', hour)
        order by hour
        rows between 28 preceding and 1 preceding
    )
)
select
    account_id,
    aws_region,
    hour,
    case
        -- Where something still logs, another trail does.
        when logging_switched or (logging_stopped and events = 0 and not covered) then 'stopped'
        when files_held < files_promised or files_altered > 0 then 'incomplete'
        when events > 0 and covered then 'complete'
        when events > 0 then 'unproved'
        when covered then 'quiet'
        else 'unknown'
    end as state,
    events,
    usual_events,
    -- The newest hour of the lake is not over yet.
    coalesce(
        events = 0 and earlier_days >= 7 and fewest_events >= 3 and hour < max(hour) over (),
        false
    ) as is_unusual,
    covered,
    files_promised,
    files_held,
    files_missing,
    files_altered,
    files_unlisted,
    late_files,
    logging_stopped,
    selector_changes
from usual
