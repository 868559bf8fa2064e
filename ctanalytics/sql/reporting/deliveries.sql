-- What became of each anomaly at each target; the newest word counts.
-- grain:  anomaly_id, target
-- reads:  lake.outbox
-- units:  attempts: count; handled_at UTC
select
    outbox.anomaly_id,
    outbox.target,
    outbox.outcome,
    outbox.reason,
    outbox.attempts,
    outbox.at as handled_at
from lake.outbox as outbox
qualify row_number() over (
    partition by outbox.anomaly_id, outbox.target
    order by outbox.at desc, outbox.revision desc, outbox.outcome
) = 1
order by outbox.anomaly_id, outbox.target
