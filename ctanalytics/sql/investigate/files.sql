-- What validation says of the log files that the subject's events came from.
-- grain:  verdict
-- reads:  subject_events, log_files
-- units:  files, events: counts; verdict: as in log_files, not validated where nothing is known
with held as (
    select
        source_object,
        max(verdict) as verdict,
        max(verdict_detail) as verdict_detail
    from log_files
    group by source_object
)
select
    coalesce(held.verdict, 'not validated') as verdict,
    max(held.verdict_detail) as detail,
    count(distinct subject_events.source_object) as files,
    count(*) as events,
    min(subject_events.source_object) as example,
    min(subject_events.event_time) as first_seen,
    max(subject_events.event_time) as last_seen
from subject_events
left join held
    on held.source_object = subject_events.source_object
group by coalesce(held.verdict, 'not validated')
order by case when coalesce(held.verdict, 'not validated') = 'valid' then 1 else 0 end, events desc
