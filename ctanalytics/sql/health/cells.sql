-- How many hours of each account and region are in which state.
-- grain:  account_id, aws_region
-- reads:  completeness
-- units:  hours_*: counts; events, files: counts in the span
-- params: since, until (UTC, half-open)
select
    account_id,
    aws_region,
    count(*) as hours,
    count(*) filter (where state = 'complete') as hours_complete,
    count(*) filter (where state = 'quiet') as hours_quiet,
    count(*) filter (where state = 'unproved') as hours_unproved,
    count(*) filter (where state = 'incomplete') as hours_incomplete,
    count(*) filter (where state = 'stopped') as hours_stopped,
    count(*) filter (where state = 'unknown') as hours_unknown,
    count(*) filter (where is_unusual) as hours_unusual,
    cast(sum(events) as bigint) as events,
    cast(sum(files_promised) as bigint) as files_promised,
    cast(sum(files_held) as bigint) as files_held,
    cast(sum(files_missing) as bigint) as files_missing,
    cast(sum(files_altered) as bigint) as files_altered,
    cast(sum(files_unlisted) as bigint) as files_unlisted,
    cast(sum(late_files) as bigint) as late_files,
    max(hour) filter (where events > 0) as last_event_hour,
    max(hour) filter (where covered) as last_covered_hour
from completeness
where hour >= $since
  and hour < $until
group by account_id, aws_region
order by account_id, aws_region
