-- The anomalies of each incident that stands, each in its newest revision.
-- grain:  incident_id, anomaly_id
-- reads:  incidents, anomalies
-- units:  place: from 1 in the order of their starts; score: -log10 p; times UTC
with members as (
    select
        incidents.incident_id,
        member.anomaly_id
    from incidents
    cross join unnest(incidents.anomaly_ids) as member (anomaly_id)
    where incidents.superseded_by is null
)
select
    members.incident_id,
    members.anomaly_id,
    row_number() over (
        partition by members.incident_id
        order by anomalies.started_at, anomalies.anomaly_id
    ) as place,
    anomalies.state,
    anomalies.revision,
    anomalies.detector,
    anomalies.kind,
    anomalies.severity,
    anomalies.score,
    anomalies.p_value,
    anomalies.started_at,
    anomalies.ended_at,
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
    anomalies.evidence
from members
inner join anomalies
    on anomalies.anomaly_id = members.anomaly_id
