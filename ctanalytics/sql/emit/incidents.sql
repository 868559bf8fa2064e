-- Incidents, each in its newest revision, that a target was not told of and that nothing keeps back
-- for good.
-- grain:  incident_id
-- reads:  incidents, deliveries
-- units:  score: -log10 of the combined p; times UTC; events: sum over its anomalies
-- params: target; severities (list); again (see emit/anomalies); detected_since (UTC or null)
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
    incidents.incident_id,
    incidents.state,
    incidents.revision,
    incidents.superseded_by,
    incidents.closed_because,
    incidents.severity,
    incidents.first_severity,
    incidents.escalated_at,
    incidents.score,
    incidents.p_value,
    incidents.started_at,
    incidents.ended_at,
    incidents.opened_at,
    incidents.detected_at,
    incidents.title,
    incidents.story,
    incidents.next_steps,
    incidents.anomaly_ids,
    incidents.detectors,
    incidents.kinds,
    incidents.linked_by,
    incidents.account_ids,
    incidents.aws_regions,
    incidents.principal_arns,
    incidents.people,
    incidents.access_key_ids,
    incidents.networks,
    incidents.apis,
    incidents.tactics,
    incidents.techniques,
    incidents.lanes,
    incidents.event_ids,
    incidents.events
from incidents
left join settled
    on settled.anomaly_id = incidents.incident_id
    and settled.state = incidents.state
    and settled.revision = incidents.revision
where settled.anomaly_id is null
  and list_contains($severities, incidents.severity)
  and (
      cast($detected_since as timestamptz) is null
      or incidents.detected_at >= cast($detected_since as timestamptz)
  )
order by incidents.detected_at, incidents.incident_id
