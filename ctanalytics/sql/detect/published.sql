-- Anomalies that touch the span, each in its newest revision.
-- grain:  anomaly_id
-- reads:  anomalies
-- units:  score: -log10 p; started_at, ended_at, detected_at UTC; ended_at null while it goes on
-- params: since, until (UTC, half-open)
select
    anomaly_id,
    state,
    revision,
    superseded_by,
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
    series_key,
    title,
    explanation,
    evidence,
    insight,
    detected_at
from anomalies
where started_at < $until
  and (ended_at is null or ended_at > $since)
