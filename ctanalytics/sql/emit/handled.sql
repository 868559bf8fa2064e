-- What became of each state and revision of some anomalies and incidents at one target.
-- grain:  anomaly_id, state, revision
-- reads:  deliveries, lake.incidents
-- units:  attempts: runs in which the target took or refused it; severity: of an incident, in that
-- revision; at UTC
-- params: target (as the outbox calls it); ids (list)
with graveness as (
    select
        incident_id,
        revision,
        max_by(severity, detected_at) as severity
    from lake.incidents
    group by incident_id, revision
)
select
    deliveries.anomaly_id,
    deliveries.state,
    deliveries.revision,
    deliveries.outcome,
    deliveries.reason,
    deliveries.attempts,
    deliveries.handled_at as "at",
    graveness.severity
from deliveries
left join graveness
    on graveness.incident_id = deliveries.anomaly_id
    and graveness.revision = deliveries.revision
where deliveries.target = $target
  and deliveries.anomaly_id in (select unnest($ids))
