-- Anomalies, each in its newest revision, that were detected from a time on.
-- grain:  anomaly_id
-- reads:  anomalies
-- units:  score: -log10 p; started_at, ended_at, detected_at UTC; ended_at null while it goes on
-- params: detected_since (UTC; null: from the first on)
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
    title,
    explanation,
    evidence,
    insight,
    detected_at
from anomalies
where cast($detected_since as timestamptz) is null
   or detected_at >= cast($detected_since as timestamptz)
order by detected_at, anomaly_id
