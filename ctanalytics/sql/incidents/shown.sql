-- Incidents whose id begins with a text, in their newest revision; at most two.
-- grain:  incident_id
-- reads:  incidents
-- units:  as in incidents
-- params: id (at least the beginning)
select
    incident_id,
    state,
    revision,
    superseded_by,
    closed_because,
    severity,
    first_severity,
    escalated_at,
    score,
    p_value,
    started_at,
    ended_at,
    opened_at,
    detected_at,
    title,
    story,
    next_steps,
    anomaly_ids,
    detectors,
    kinds,
    linked_by,
    account_ids,
    account_names,
    aws_regions,
    principal_arns,
    people,
    access_key_ids,
    networks,
    apis,
    tactics,
    techniques,
    lanes,
    event_ids,
    events
from incidents
where starts_with(incident_id, $id)
order by opened_at desc, incident_id
limit 2
