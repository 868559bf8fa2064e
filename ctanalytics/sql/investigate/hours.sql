-- The subject's calls in each hour that has any.
-- grain:  hour_start
-- reads:  subject_events
-- units:  hour_start UTC; calls, errors: counts
select
    date_trunc('hour', event_time) as hour_start,
    count(*) as calls,
    count(*) filter (where is_error) as errors
from subject_events
group by date_trunc('hour', event_time)
order by hour_start
