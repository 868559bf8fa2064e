-- The anomalies of some incidents, in the order of their starts.
-- grain:  incident_id, anomaly_id
-- reads:  incident_members
-- units:  times UTC
-- params: incidents (list of ids)
select
    incident_id,
    anomaly_id,
    title,
    detector,
    severity,
    started_at
from incident_members
where list_contains(cast($incidents as varchar[]), incident_id)
order by incident_id, place
