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
    incidents.*
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
