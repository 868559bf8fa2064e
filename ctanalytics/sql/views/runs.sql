-- What each step of each night came to; the step night is the run as a whole.
-- grain:  run_id, step
-- reads:  lake.runs
-- units:  times UTC; ended_at null while it runs, or when it was killed; counts: JSON object;
-- identities: JSON list of sums that must agree; exit_code: 0 done, 1 failed, 3 in part
select
    run_id,
    step,
    state,
    started_at,
    ended_at,
    seconds,
    counts,
    identities,
    exit_code,
    error,
    day,
    host,
    version,
    "at"
from lake.runs
qualify row_number() over (
    partition by run_id, step
    order by "at" desc, ended_at desc nulls last
) = 1
