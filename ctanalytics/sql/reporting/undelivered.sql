-- Alerts that a target did not take, whenever that was: the gravest first.
-- grain:  anomaly_id, state, revision, target
-- reads:  deliveries, anomalies, incidents
-- units:  attempts: runs in which the target refused it; last_at UTC; found: rows in all
-- params: top
with titles as (
    select
        anomaly_id,
        title,
        severity
    from anomalies
    union all
    select
        incident_id as anomaly_id,
        title,
        severity
    from incidents
)
select
    replace(deliveries.outcome, '_', ' ') as outcome,
    titles.severity,
    titles.title,
    deliveries.target,
    deliveries.reason,
    deliveries.attempts,
    deliveries.handled_at as last_at,
    deliveries.anomaly_id,
    count(*) over () as found
from deliveries
left join titles
    on titles.anomaly_id = deliveries.anomaly_id
where deliveries.outcome in ('dead_letter', 'failed', 'pending')
order by
    deliveries.outcome,
    case titles.severity
        when 'critical' then 0
        when 'high' then 1
        when 'medium' then 2
        when 'low' then 3
        else 4
    end,
    deliveries.handled_at desc,
    deliveries.target,
    deliveries.anomaly_id
limit $top
