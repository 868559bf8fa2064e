-- Anomalies whose newest revision was not taken into an incident yet.
-- grain:  anomaly_id
-- reads:  anomalies, lake.anomaly_traits
-- units:  started_at, ended_at UTC; ended_at null while it goes on
with read_before as (
    select
        anomaly_id,
        max(revision) as revision
    from lake.anomaly_traits
    group by anomaly_id
)
select
    anomalies.anomaly_id,
    anomalies.revision,
    anomalies.started_at,
    anomalies.ended_at,
    anomalies.detected_at,
    anomalies.kind,
    anomalies.account_id,
    anomalies.principal_arn,
    anomalies.evidence
from anomalies
left join read_before
    on read_before.anomaly_id = anomalies.anomaly_id
where anomalies.state <> 'withdrawn'
  and (read_before.revision is null or read_before.revision < anomalies.revision)
order by anomalies.started_at, anomalies.anomaly_id
