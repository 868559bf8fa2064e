-- Days of principals that a mark speaks about: detectors of behaviour learn nothing from them.
-- grain:  principal_key, event_date
-- reads:  lake.anomalies, marks
-- units:  event_date UTC; is_confirmed: a person called an anomaly of that day an incident
with marked as (
    select
        case
            when starts_with(anomalies.series_key, 'principal|')
                then substr(anomalies.series_key, 11)
            else anomalies.principal_arn
        end as principal_key,
        anomalies.started_at,
        coalesce(anomalies.ended_at, anomalies.detected_at) as ended_at,
        marks.verdict
    from lake.anomalies as anomalies
    inner join marks
        on marks.anomaly_id = anomalies.anomaly_id
    qualify row_number() over (
        partition by anomalies.anomaly_id
        order by anomalies.revision desc, anomalies.detected_at desc
    ) = 1
),
days as (
    select
        principal_key,
        verdict,
        unnest(
            generate_series(
                cast(cast(started_at as date) as timestamp),
                cast(cast(ended_at - interval 1 microsecond as date) as timestamp),
                interval 1 day
            )
        ) as day
    from marked
    where principal_key is not null
)
select
    principal_key,
    cast(day as date) as event_date,
    bool_or(verdict = 'confirmed') as is_confirmed
from days
group by principal_key, cast(day as date)
