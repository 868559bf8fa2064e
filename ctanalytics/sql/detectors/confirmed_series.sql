-- Series and spans in which a person saw an incident: rates learn nothing from these days.
-- grain:  anomaly_id
-- reads:  anomalies
select
    detector,
    account_id,
    aws_region,
    event_source,
    event_name,
    error_code,
    started_at,
    coalesce(ended_at, detected_at) as ended_at
from anomalies
where verdict = 'confirmed'
  and state <> 'withdrawn'
  and detector in ('call_rate', 'error_rate')
  and event_name is not null
order by detector, started_at, anomaly_id
