-- Events of the span by the verdict of the log file that they come from.
-- Where an object was read with several contents, the worst verdict counts.
-- grain:  verdict
-- reads:  events, log_files
-- units:  events, log_files: counts
-- params: since, until (UTC, half-open)
with files as (
    select
        source_object,
        verdict
    from log_files
    qualify row_number() over (
        partition by source_object
        order by coalesce(verdict = 'valid', false), verdict
    ) = 1
)
select
    coalesce(files.verdict, 'not validated') as verdict,
    count(*) as events,
    count(distinct events.source_object) as log_files
from events
left join files
    on files.source_object = events.source_object
where events.event_date >= $since_date
  and events.event_date <= $until_date
  and events.event_time >= $since
  and events.event_time < $until
group by coalesce(files.verdict, 'not validated')
order by events desc, verdict
