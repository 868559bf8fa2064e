-- Incidents, each in its newest revision, of which something is known from a time on.
-- grain:  incident_id
-- reads:  incidents
-- units:  score: -log10 of the combined p; times UTC; events: sum over its anomalies
-- params: detected_since (UTC; null: from the first on)
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
where cast($detected_since as timestamptz) is null
   or detected_at >= cast($detected_since as timestamptz)
order by detected_at, incident_id
