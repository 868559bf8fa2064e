-- Steps of the newest nights that began in a span, the newest night first.
-- grain:  run_id, step
-- reads:  runs
-- units:  times UTC; counts: JSON object
-- params: since, until (UTC, half-open)
select
    run_id,
    step,
    state,
    started_at,
    ended_at,
    seconds,
    counts,
    exit_code,
    error,
    day,
    host
from runs
where started_at >= $since
  and started_at < $until
order by max(started_at) over (partition by run_id) desc, started_at, step
