-- Anomalies that touch the span and were marked, by whom and why; the newest mark first.
-- grain:  anomaly_id
-- reads:  anomalies, marks
-- units:  marked_at UTC
-- params: since, until, top (UTC, half-open; rows)
select
    marks.verdict,
    anomalies.detector,
    anomalies.title,
    marks.note,
    marks.marked_by,
    marks.marked_at,
    count(*) over () as found
from anomalies
inner join marks
    on marks.anomaly_id = anomalies.anomaly_id
where anomalies.started_at < $until
  and (anomalies.ended_at is null or anomalies.ended_at > $since)
  and anomalies.superseded_by is null
order by marks.marked_at desc, anomalies.anomaly_id
limit $top
