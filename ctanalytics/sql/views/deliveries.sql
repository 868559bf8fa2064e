-- What became of each alert at each target: the newest word on it.
-- grain:  anomaly_id, state, revision, target
-- reads:  lake.outbox
-- units:  anomaly_id: of an anomaly or an incident; outcome: pending, sent, failed (to be tried
-- again), suppressed, dead_letter (given up); attempts: runs in which the target took or refused
-- it; handled_at UTC
select
    anomaly_id,
    state,
    revision,
    target,
    outcome,
    reason,
    attempts,
    message_id,
    "at" as handled_at
from lake.outbox
qualify row_number() over (
    partition by anomaly_id, state, revision, target
    order by "at" desc, attempts desc, outcome = 'pending', reason nulls last
) = 1
