-- Anomalies by their ids, with what people said of them.
-- grain:  anomaly_id
-- reads:  anomalies, marks, incident_wanted (registered: anomaly_id)
-- units:  score: -log10 p; times UTC; ended_at null while it goes on
select
    anomalies.anomaly_id,
    anomalies.state,
    anomalies.revision,
    anomalies.detector,
    anomalies.kind,
    anomalies.severity,
    anomalies.score,
    anomalies.p_value,
    anomalies.started_at,
    anomalies.ended_at,
    anomalies.detected_at,
    anomalies.account_id,
    anomalies.account_name,
    anomalies.environment,
    anomalies.aws_region,
    anomalies.event_source,
    anomalies.event_name,
    anomalies.error_code,
    anomalies.principal_arn,
    anomalies.title,
    anomalies.explanation,
    anomalies.evidence,
    marks.verdict
from anomalies
inner join incident_wanted
    on incident_wanted.anomaly_id = anomalies.anomaly_id
left join marks
    on marks.anomaly_id = anomalies.anomaly_id
order by anomalies.started_at, anomalies.anomaly_id
