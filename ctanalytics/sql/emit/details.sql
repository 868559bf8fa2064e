-- What is long about some anomalies.
-- grain:  anomaly_id
-- reads:  anomalies
-- units:  evidence, insight: JSON text
-- params: ids (list)
select
    anomaly_id,
    explanation,
    evidence,
    insight
from anomalies
where anomaly_id in (select unnest($ids))
