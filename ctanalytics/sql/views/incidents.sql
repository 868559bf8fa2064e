-- What anomalies that belong together are told as, in its newest revision; those that ended, that
-- another took over and that were withdrawn are included (state closed, see closed_because).
-- grain:  incident_id
-- reads:  lake.incidents
-- units:  score: -log10 of the combined p; times UTC; ended_at null while it goes on; opened_at:
-- when it was first published; detected_at: when this revision was made; apis:
-- event_source:event_name; networks: IPv4 /24, IPv6 /48; lanes: JSON list by ATT&CK tactic; events:
-- sum over its anomalies
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
from lake.incidents
qualify row_number() over (
    partition by incident_id
    order by revision desc, detected_at desc
) = 1
