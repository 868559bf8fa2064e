-- Incidents of the span that stand, and in which the subject's principals or credentials are named.
-- grain:  incident_id
-- reads:  incidents
-- params: principals, keys (lists), since, until (UTC, half-open), rows
-- units:  started_at, ended_at: UTC
select
    severity,
    state,
    title,
    story,
    started_at,
    ended_at,
    len(anomaly_ids) as anomalies,
    array_to_string(linked_by, ', ') as linked_by,
    incident_id,
    count(*) over () as found
from incidents
where superseded_by is null
  and coalesce(closed_because, '') <> 'withdrawn'
  and started_at < $until
  and coalesce(ended_at, started_at) >= $since
  and (list_has_any(principal_arns, $principals) or list_has_any(access_key_ids, $keys))
order by started_at, incident_id
limit $rows
