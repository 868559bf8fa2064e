-- What became of each state and revision of an anomaly at one target.
-- grain:  anomaly_id, state, revision
-- reads:  lake.outbox
-- units:  attempts: runs that tried to send it
-- params: target (as the user wrote it)
select
    anomaly_id,
    state,
    revision,
    outcome,
    reason,
    attempts
from lake.outbox
where target = $target
qualify row_number() over (
    partition by anomaly_id, state, revision
    order by "at" desc, attempts desc
) = 1
