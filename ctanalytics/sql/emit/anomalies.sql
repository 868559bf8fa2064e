-- Anomalies, each in its newest revision, that were detected from a time on.
-- grain:  anomaly_id
-- reads:  anomalies, marks
-- units:  score: -log10 p; started_at, ended_at, detected_at UTC; ended_at null while it goes on;
-- verdict: what a person or the allow-list said
-- params: detected_since (UTC; null: from the first on)
select
    anomalies.anomaly_id,
    anomalies.state,
    anomalies.revision,
    anomalies.superseded_by,
    anomalies.detector,
    anomalies.kind,
    anomalies.severity,
    anomalies.score,
    anomalies.p_value,
    anomalies.started_at,
    anomalies.ended_at,
    anomalies.account_id,
    anomalies.aws_region,
    anomalies.event_source,
    anomalies.event_name,
    anomalies.error_code,
    anomalies.principal_arn,
    anomalies.title,
    anomalies.explanation,
    anomalies.evidence,
    anomalies.insight,
    anomalies.detected_at,
    marks.verdict
from anomalies
left join marks
    on marks.anomaly_id = anomalies.anomaly_id
where cast($detected_since as timestamptz) is null
   or anomalies.detected_at >= cast($detected_since as timestamptz)
order by anomalies.detected_at, anomalies.anomaly_id
