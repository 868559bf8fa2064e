-- The events of the series that are told of, in the spans that are told: the earliest of each.
-- grain:  number (of the span), event_id
-- reads:  events, told_series (registered; see attribution.sql)
-- params: since, until (UTC, half-open), since_date, until_date, limit (rows of each span)
select
    told.number,
    events.event_id
from events
inner join told_series as told
    on events.event_name is not distinct from told.event_name
    and events.event_source is not distinct from told.event_source
    and events.account_id is not distinct from told.account_id
    and events.aws_region is not distinct from told.aws_region
    and events.event_time >= told.started_at
    and events.event_time < told.ended_at
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
  and (
      told.error_code is null
      or coalesce(events.error_code, events.error_message) = told.error_code
  )
  and (told.principal_arn is null or events.principal_arn = told.principal_arn)
  and case told.kind
      when 'data' then event_category = 'Data'
      when 'network' then event_category = 'NetworkActivity'
      else coalesce(management_event, event_category = 'Management', true)
  end
  and (told.kind <> 'writes' or read_only = false)
  and (told.kind <> 'reads' or read_only)
qualify row_number() over (
    partition by told.number
    order by events.event_time, events.event_id
) <= $limit
order by told.number, events.event_time, events.event_id
