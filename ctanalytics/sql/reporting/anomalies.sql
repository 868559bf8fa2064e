-- Anomalies that touch the span, each in its newest revision; those another took over are left out.
-- grain:  anomaly_id
-- reads:  lake.anomalies
-- units:  score: -log10 p; started_at, ended_at, detected_at UTC; ended_at null while it goes on
-- params: since, until (UTC, half-open)
select
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
    aws_region,
    event_source,
    event_name,
    error_code,
    principal_arn,
    title,
    explanation,
    evidence,
    insight,
    detected_at
from lake.anomalies
qualify row_number() over (
    partition by anomaly_id
    order by revision desc, detected_at desc
) = 1  -- an older revision must not come back because only its span fits
    and started_at < $until
    and (ended_at is null or ended_at > $since)
    and superseded_by is null
order by score desc, started_at, anomaly_id
