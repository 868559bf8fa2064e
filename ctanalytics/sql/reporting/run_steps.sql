-- Steps of the newest night that began in a span, in their order.
-- grain:  step
-- reads:  runs
-- units:  seconds; started_at UTC; state: running, done, part, failed, skipped, stopped
-- params: since, until (UTC, half-open)
with newest as (
    select
        max(run_id) as run_id
    from runs
    where started_at >= $since
      and started_at < $until
)
select
    runs.step,
    runs.state,
    runs.started_at,
    runs.seconds,
    runs.error
from runs
inner join newest
    on newest.run_id = runs.run_id
where runs.step <> 'night'
order by runs.started_at, runs.step
