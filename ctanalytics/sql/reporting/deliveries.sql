-- What became of each anomaly at each target; the newest word counts.
-- grain:  anomaly_id, target
-- reads:  deliveries
-- units:  attempts: count; handled_at UTC
select
    deliveries.anomaly_id,
    deliveries.target,
    deliveries.outcome,
    deliveries.reason,
    deliveries.attempts,
    deliveries.handled_at
from deliveries
qualify row_number() over (
    partition by deliveries.anomaly_id, deliveries.target
    order by deliveries.handled_at desc, deliveries.revision desc, deliveries.outcome
) = 1
order by deliveries.anomaly_id, deliveries.target
