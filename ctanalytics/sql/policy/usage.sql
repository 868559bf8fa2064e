-- What a principal called, and how it ended; a call that two accounts log counts once. Calls that AWS
-- services made for it (invoked_by) are its own: its policies had to allow them.
-- grain:  event_source, event_name, outcome
-- reads:  events, error_classes
-- params: principal_arn, since, until
-- units:  outcome: used (allowed, whatever came of it), denied; calls, errors: counts
with own as (
    select
        coalesce(events.shared_event_id, events.event_id) as call_id,
        min(events.event_source) as event_source,
        min(events.event_name) as event_name,
        min(events.event_id) as event_id,
        min(events.event_time) as event_time,
        min(events.invoked_by) as invoked_by,
        bool_or(events.is_error) as is_error,
        bool_or(coalesce(error_classes.error_class = 'denied', false)) as is_denied,
        bool_or(coalesce(events.event_category = 'Data', not events.management_event, false))
            as is_data
    from events
    left join error_classes
        on error_classes.error_code = events.error_code
    where events.event_date >= $since_date
      and events.event_date <= $until_date
      and events.event_time >= $since
      and events.event_time < $until
      and events.principal_arn = $principal_arn
      and coalesce(events.event_type, '') <> 'AwsServiceEvent'
      and coalesce(error_classes.error_class, '') <> 'throttled'
    group by coalesce(events.shared_event_id, events.event_id)
)
select
    event_source,
    event_name,
    case when is_denied then 'denied' else 'used' end as outcome,
    count(*) as calls,
    count(*) filter (where is_error) as errors,
    min(event_time) as first_use,
    max(event_time) as last_use,
    list_slice(list(event_id order by event_time desc, event_id), 1, 3) as event_ids,
    count(*) filter (where invoked_by is not null) as calls_by_services,
    bool_or(is_data) as is_data
from own
group by event_source, event_name, case when is_denied then 'denied' else 'used' end
order by event_source, event_name, outcome
