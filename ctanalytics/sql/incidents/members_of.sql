-- The anomalies of incidents, in the order of their starts.
-- grain:  incident_id, anomaly_id
-- reads:  incident_members
-- units:  as in incident_members
-- params: ids (incident ids)
select
    incident_id,
    place,
    anomaly_id,
    state,
    revision,
    detector,
    kind,
    severity,
    score,
    p_value,
    started_at,
    ended_at,
    account_id,
    account_name,
    aws_region,
    event_source,
    event_name,
    error_code,
    principal_arn,
    title,
    explanation,
    evidence
from incident_members
where list_contains(cast($ids as varchar[]), incident_id)
order by incident_id, place
