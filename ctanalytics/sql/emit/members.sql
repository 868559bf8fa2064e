-- Anomalies that an incident tells of.
-- grain:  anomaly_id
-- reads:  incidents
select distinct
    member.anomaly_id
from incidents
cross join unnest(incidents.anomaly_ids) as member (anomaly_id)
