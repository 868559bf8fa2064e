-- Calls per hour of what each anomaly names: its principal, else its API, else its account.
-- grain:  anomaly_id, hour_start
-- reads:  events, report_subjects
-- units:  calls, errors: counts per hour; hour_start UTC
-- params: since, until (UTC, half-open; the earliest and the latest of the subjects)
with found as (
    select
        subjects.anomaly_id,
        date_trunc('hour', events.event_time) as hour_start,
        events.is_error
    from report_subjects as subjects
    inner join events
        on coalesce(events.principal_arn, events.actor) = subjects.principal
       and (subjects.account_id is null or events.account_id = subjects.account_id)
    where events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
      and events.event_time >= subjects.since
      and events.event_time < subjects.until
    union all
    select
        subjects.anomaly_id,
        date_trunc('hour', events.event_time) as hour_start,
        events.is_error
    from report_subjects as subjects
    inner join events
        on events.event_name = subjects.event_name
       and events.event_source = subjects.event_source
       and (subjects.account_id is null or events.account_id = subjects.account_id)
       and (subjects.aws_region is null or events.aws_region = subjects.aws_region)
    where subjects.principal is null
      and events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
      and events.event_time >= subjects.since
      and events.event_time < subjects.until
    union all
    select
        subjects.anomaly_id,
        date_trunc('hour', events.event_time) as hour_start,
        events.is_error
    from report_subjects as subjects
    inner join events
        on events.account_id = subjects.account_id
    where subjects.principal is null
      and subjects.event_name is null
      and events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
      and events.event_time >= subjects.since
      and events.event_time < subjects.until
)
select
    anomaly_id,
    hour_start,
    count(*) as calls,
    count(*) filter (where is_error) as errors
from found
group by anomaly_id, hour_start
order by anomaly_id, hour_start
