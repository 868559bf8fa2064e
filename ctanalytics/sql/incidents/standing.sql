-- Incidents in their newest revision, with how their anomalies changed since: those that reach into
-- the time from `since` on, are not closed, or have anomalies that were withdrawn or marked.
-- grain:  incident_id
-- reads:  incidents, anomalies, marks
-- units:  times UTC; lost: some of its anomalies were withdrawn; marked_at: when one of them was
-- last marked
-- params: since (UTC)
with members as (
    select
        incidents.incident_id,
        member.anomaly_id
    from incidents
    cross join unnest(incidents.anomaly_ids) as member (anomaly_id)
    where incidents.superseded_by is null
),
changes as (
    select
        members.incident_id,
        bool_or(anomalies.state = 'withdrawn') as lost,
        max(marks.marked_at) as marked_at
    from members
    left join anomalies
        on anomalies.anomaly_id = members.anomaly_id
    left join marks
        on marks.anomaly_id = members.anomaly_id
    group by members.incident_id
)
select
    incidents.*,
    coalesce(changes.lost, false) as lost,
    changes.marked_at
from incidents
left join changes
    on changes.incident_id = incidents.incident_id
where incidents.ended_at is null
   or incidents.ended_at > $since
   or incidents.state <> 'closed'
   or incidents.closed_because = 'marked'
   or (changes.lost and incidents.closed_because <> 'withdrawn')
   or changes.marked_at > incidents.detected_at
order by incidents.opened_at, incidents.incident_id
