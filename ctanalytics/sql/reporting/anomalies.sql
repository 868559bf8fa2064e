-- Anomalies whose newest revision touches the span; those another took over are left out.
-- grain:  anomaly_id
-- reads:  anomalies
-- units:  score: -log10 p; started_at, ended_at, detected_at UTC; ended_at null while it goes on
-- params: since, until (UTC, half-open)
select
    anomaly_id,
    state,
    revision,
    detector,
    kind,
    severity,
    score,
    p_value,
    started_at,
    ended_at,
    account_id,
    aws_region,
    event_source,
    event_name,
    error_code,
    principal_arn,
    title,
    explanation,
    evidence,
    insight,
    detected_at
from anomalies
where started_at < $until
  and (ended_at is null or ended_at > $since)
  and superseded_by is null
order by score desc, started_at, anomaly_id
