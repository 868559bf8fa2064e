-- The newest word on each anomaly, marks that were taken back included.
-- grain:  anomaly_id
-- reads:  lake.marks
-- units:  verdict: benign, confirmed, allowed, none; marked_at UTC
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
