-- Management calls of each API that returned an error, per error code and minute.
-- A failed console sign-in has no error code; its error message stands in for one.
-- grain:  account_id, aws_region, event_source, event_name, error_code, minute
-- reads:  events
-- units:  minute: minutes since 1970-01-01T00:00Z; calls: errors per minute
-- params: since, until (UTC, half-open), since_date, until_date
select
    account_id,
    aws_region,
    event_source,
    event_name,
    coalesce(error_code, error_message) as error_code,
    cast(floor(epoch(event_time) / 60) as bigint) as minute,
    count(*) as calls
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
  and coalesce(error_code, error_message) is not null
  and coalesce(management_event, event_category = 'Management', true)
group by
    account_id,
    aws_region,
    event_source,
    event_name,
    coalesce(error_code, error_message),
    cast(floor(epoch(event_time) / 60) as bigint)
