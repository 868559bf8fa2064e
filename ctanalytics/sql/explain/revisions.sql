-- How an anomaly was revised.
-- grain:  revision
-- reads:  lake.anomalies
-- units:  score: -log10 p; times UTC
-- params: anomaly_id
select
    revision,
    state,
    severity,
    score,
    started_at,
    ended_at,
    detected_at
from lake.anomalies
where anomaly_id = $anomaly_id
order by revision
