-- Steps of the newest night that began in a span and did not go well.
-- grain:  step
-- reads:  runs
-- units:  state: part, failed, stopped; a step that still runs is not here
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
    runs.error
from runs
inner join newest
    on newest.run_id = runs.run_id
where runs.step <> 'night'
  and runs.state in ('part', 'failed', 'stopped')
order by runs.started_at, runs.step
