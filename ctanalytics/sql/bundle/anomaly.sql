-- The anomalies whose id begins so, in their newest revision; two at most.
-- grain:  anomaly_id
-- reads:  anomalies
-- params: beginning (of an id)
select
    anomalies.*
from anomalies
where starts_with(anomaly_id, $beginning)
  and $beginning <> ''
order by anomaly_id
limit 2
