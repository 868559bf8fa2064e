-- What was read before of the evidence of anomalies: the rows of their newest revision.
-- grain:  anomaly_id, trait, value
-- reads:  lake.anomaly_traits, incident_wanted (registered: anomaly_id)
-- units:  calls, of_calls: evidence events that have the trait, and that were found
select distinct
    anomaly_traits.anomaly_id,
    anomaly_traits.trait,
    anomaly_traits.value,
    anomaly_traits.calls,
    anomaly_traits.of_calls
from lake.anomaly_traits as anomaly_traits
inner join incident_wanted
    on incident_wanted.anomaly_id = anomaly_traits.anomaly_id
qualify anomaly_traits.revision = max(anomaly_traits.revision) over (
    partition by anomaly_traits.anomaly_id
)
order by anomaly_traits.anomaly_id, anomaly_traits.trait, anomaly_traits.calls desc, anomaly_traits.value
