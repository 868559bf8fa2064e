-- Anomalies of the subject's principals in the span, as detectors published them.
-- grain:  anomaly_id
-- reads:  anomalies
-- params: principals (list), since, until (UTC, half-open), rows
select
    severity,
    title,
    explanation,
    detector,
    kind,
    state,
    started_at,
    ended_at,
    account_id,
    account_name,
    principal_arn,
    anomaly_id,
    count(*) over () as found
from anomalies
where principal_arn in $principals
  and state <> 'withdrawn'
  and started_at < $until
  and coalesce(ended_at, started_at) >= $since
order by started_at, anomaly_id
limit $rows
