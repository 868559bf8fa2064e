-- What each target was told of an incident, the newest word on each state and revision.
-- grain:  target, state, revision
-- reads:  lake.outbox
-- units:  handled_at UTC
-- params: id
select
    target,
    state,
    revision,
    outcome,
    reason,
    "at" as handled_at
from lake.outbox
where anomaly_id = $id
qualify row_number() over (
    partition by target, state, revision
    order by "at" desc, attempts desc
) = 1
order by "at", target
