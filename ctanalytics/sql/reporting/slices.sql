-- Calls of the span in the finest cut that the report's tables need: read once, they all add up
-- from it. Registered as report_slices.
-- grain:  step, account_id, aws_region, event_source, event_name, principal, principal_type,
-- error_code, is_error
-- reads:  events
-- units:  step: from 0, each $step_seconds long; calls, reads, writes: counts; first_seen,
-- last_seen UTC
-- params: since, until (UTC, half-open), step_seconds
select
    cast(floor((epoch(event_time) - epoch($since)) / $step_seconds) as integer) as step,
    account_id,
    aws_region,
    event_source,
    event_name,
    coalesce(principal_arn, actor) as principal,
    principal_type,
    error_code,
    coalesce(is_error, false) as is_error,
    min(event_time) as first_seen,
    max(event_time) as last_seen,
    count(*) as calls,
    count(*) filter (where read_only) as reads,
    count(*) filter (where not read_only) as writes
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
group by
    cast(floor((epoch(event_time) - epoch($since)) / $step_seconds) as integer),
    account_id,
    aws_region,
    event_source,
    event_name,
    coalesce(principal_arn, actor),
    principal_type,
    error_code,
    coalesce(is_error, false)
