-- Alarms of a detector that stand and that nobody has confirmed; missing logs are nobody's noise.
-- grain:  anomaly_id
-- reads:  anomalies
-- params: detector, since, until (UTC, half-open)
select
    anomaly_id,
    started_at
from anomalies
where detector = $detector
  and kind <> 'telemetry_gap'
  and state <> 'withdrawn'
  and started_at >= $since
  and started_at < $until
  and verdict is distinct from 'confirmed'
order by started_at, anomaly_id
