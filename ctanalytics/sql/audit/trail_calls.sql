-- Calls that may have weakened a trail, tried or done, with what they asked for; the newest first.
-- grain:  account_id, event_id
-- reads:  events
-- units:  event_time UTC; request: JSON text
-- params: since, until (UTC, half-open)
select
    account_id,
    event_time,
    event_id,
    event_name,
    coalesce(principal_arn, actor) as principal,
    request_parameters as request,
    not is_error as succeeded
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_source = 'cloudtrail.amazonaws.com'
  and event_name in (
      'DeleteTrail', 'PutEventSelectors', 'PutInsightSelectors', 'StopLogging', 'UpdateTrail',
      'DeleteEventDataStore', 'StopEventDataStoreIngestion'
  )
order by event_time desc, account_id, event_id
