-- How many anomalies and incidents a target was told of, or will never be, in their newest revision.
-- grain:  one row
-- reads:  anomalies, incidents, deliveries
-- units:  settled: count
-- params: target; severities (list); again (see emit/anomalies); detected_since (UTC or null);
-- grain (anomalies, incidents or both)
with candidates as (
    select
        anomaly_id,
        state,
        revision
    from anomalies
    where list_contains($severities, severity)
      and (
          cast($detected_since as timestamptz) is null
          or detected_at >= cast($detected_since as timestamptz)
      )
    union all
    select
        incident_id as anomaly_id,
        state,
        revision
    from incidents
    where $grain <> 'anomalies'
      and list_contains($severities, severity)
      and (
          cast($detected_since as timestamptz) is null
          or detected_at >= cast($detected_since as timestamptz)
      )
)
select
    count(*) as settled
from candidates
inner join deliveries
    on deliveries.anomaly_id = candidates.anomaly_id
    and deliveries.state = candidates.state
    and deliveries.revision = candidates.revision
where deliveries.target = $target
  and (
      deliveries.outcome = 'sent'
      or (
          deliveries.outcome = 'suppressed'
          and deliveries.reason is distinct from cast($again as varchar)
      )
  )
