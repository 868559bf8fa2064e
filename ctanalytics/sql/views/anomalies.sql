-- Each anomaly in its newest revision; withdrawn ones and those that another took over included.
-- grain:  anomaly_id
-- reads:  lake.anomalies
-- units:  score: -log10 p; started_at, ended_at, detected_at UTC; ended_at null while it goes on
select
    anomaly_id,
    state,
    revision,
    superseded_by,
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
    series_key,
    title,
    explanation,
    evidence,
    insight,
    detected_at
from lake.anomalies
qualify row_number() over (
    partition by anomaly_id
    order by revision desc, detected_at desc
) = 1
