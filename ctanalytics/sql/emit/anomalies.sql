-- Anomalies, each in its newest revision, that a target was not told of and that nothing keeps back
-- for good; without what is long, see emit/details.
-- grain:  anomaly_id
-- reads:  anomalies, marks, deliveries
-- units:  score: -log10 p; started_at, ended_at, detected_at UTC; ended_at null while it goes on;
-- verdict: what a person or the allow-list said
-- params: target; severities (list); again (a reason for which what was suppressed is wanted after
-- all, or null); detected_since (UTC; null: from the first on)
with settled as (
    select
        anomaly_id,
        state,
        revision
    from deliveries
    where target = $target
      and (
          outcome = 'sent'
          or (outcome = 'suppressed' and reason is distinct from cast($again as varchar))
      )
)
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
    anomalies.detected_at,
    marks.verdict
from anomalies
left join marks
    on marks.anomaly_id = anomalies.anomaly_id
left join settled
    on settled.anomaly_id = anomalies.anomaly_id
    and settled.state = anomalies.state
    and settled.revision = anomalies.revision
where settled.anomaly_id is null
  and list_contains($severities, anomalies.severity)
  and (
      cast($detected_since as timestamptz) is null
      or anomalies.detected_at >= cast($detected_since as timestamptz)
  )
order by anomalies.detected_at, anomalies.anomaly_id
