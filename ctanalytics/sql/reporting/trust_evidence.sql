-- How many of some events come from log files that a digest vouches for.
-- grain:  one row
-- reads:  events, log_files
-- units:  events, verified: counts
-- params: since, until (UTC, half-open), event_ids (list)
with files as (
    select
        source_object,
        bool_and(coalesce(verdict = 'valid', false)) as verified
    from log_files
    group by source_object
)
select
    count(*) as events,
    count(*) filter (where files.verified) as verified
from events
left join files
    on files.source_object = events.source_object
where events.event_date >= $since_date
  and events.event_date <= $until_date
  and events.event_time >= $since
  and events.event_time < $until
  and events.event_id in (select unnest($event_ids))
