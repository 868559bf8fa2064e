-- The different requests of a principal, each with how often it was made and how it ended.
-- grain:  event_source, event_name, account_id, aws_region, resource_arns, request_parameters, outcome
-- reads:  events, error_classes
-- params: principal_arn, since, until, most (of each event_source and event_name)
select
    events.event_source,
    events.event_name,
    events.account_id,
    events.aws_region,
    events.resource_arns,
    events.request_parameters,
    case when error_classes.error_class = 'denied' then 'denied' else 'used' end as outcome,
    count(*) as calls,
    max(events.event_time) as last_use,
    max(events.event_id) as event_id
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
  -- The copy in the account of the resource says the same once more.
  and (
      events.shared_event_id is null
      or events.account_id = coalesce(events.identity_account_id, events.account_id)
  )
group by
    events.event_source,
    events.event_name,
    events.account_id,
    events.aws_region,
    events.resource_arns,
    events.request_parameters,
    case when error_classes.error_class = 'denied' then 'denied' else 'used' end
qualify row_number() over (
    partition by events.event_source, events.event_name
    order by max(events.event_time) desc, max(events.event_id)
) <= $most
order by events.event_source, events.event_name, last_use desc, event_id
