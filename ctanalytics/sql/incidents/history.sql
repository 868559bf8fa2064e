-- The revisions of an incident, the oldest first.
-- grain:  revision
-- reads:  lake.incidents
-- units:  detected_at UTC: when the revision was made; anomalies: count
-- params: id
select distinct
    revision,
    state,
    closed_because,
    severity,
    title,
    len(anomaly_ids) as anomalies,
    detected_at
from lake.incidents
where incident_id = $id
order by revision
