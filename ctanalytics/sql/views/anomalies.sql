-- Each anomaly in its newest revision; withdrawn ones and those that another took over included.
-- grain:  anomaly_id
-- reads:  lake.anomalies, account_directory, marks
-- units:  score: -log10 p; started_at, ended_at, detected_at UTC; ended_at null while it goes on;
-- verdict, verdict_note: as in marks, null where nothing was said
with newest as (
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
)
select
    newest.anomaly_id,
    newest.state,
    newest.revision,
    newest.superseded_by,
    newest.detector,
    newest.kind,
    newest.severity,
    newest.score,
    newest.p_value,
    newest.started_at,
    newest.ended_at,
    newest.account_id,
    newest.aws_region,
    newest.event_source,
    newest.event_name,
    newest.error_code,
    newest.principal_arn,
    newest.series_key,
    newest.title,
    newest.explanation,
    newest.evidence,
    newest.insight,
    newest.detected_at,
    account_directory.account_name,
    account_directory.environment,
    marks.verdict,
    marks.note as verdict_note
from newest
left join marks
    on marks.anomaly_id = newest.anomaly_id
left join account_directory
    on account_directory.account_id = newest.account_id
