-- When each anomaly was first published, and when its last revision was.
-- grain:  anomaly_id
-- reads:  lake.anomalies
-- units:  published_at, revised_at UTC
select
    anomaly_id,
    min(detector) as detector,
    min(detected_at) as published_at,
    max(detected_at) as revised_at
from lake.anomalies
group by anomaly_id
