-- Anomalies that touch a span and were not withdrawn.
-- grain:  anomaly_id
-- reads:  anomalies
-- params: since, until (UTC, half-open)
select
    anomaly_id
from anomalies
where state <> 'withdrawn'
  and started_at < $until
  and (ended_at is null or ended_at > $since)
