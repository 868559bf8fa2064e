-- What people said of anomalies, and what the allow-list of the settings said: the newest word on
-- each. A mark that was taken back is not here.
-- grain:  anomaly_id
-- reads:  lake.marks
-- units:  verdict: benign, confirmed, allowed (by an entry of detect.allow); marked_at UTC
with newest as (
    select
        anomaly_id,
        verdict,
        note,
        marked_by,
        marked_at
    from lake.marks
    qualify row_number() over (
        partition by anomaly_id
        order by marked_at desc, verdict
    ) = 1
)
select
    newest.anomaly_id,
    newest.verdict,
    newest.note,
    newest.marked_by,
    newest.marked_at
from newest
where newest.verdict <> 'none'
