-- What the same caller did around an event, and all records of the same request or action.
-- grain:  account_id, event_id
-- reads:  events
-- params: account_id, event_id, actor, session_id, request_id, shared_event_id, since, until (UTC, half-open), since_date, until_date
select
    case
        when shared_event_id = $shared_event_id then 'same action'
        when request_id = $request_id then 'same request'
        when coalesce(access_key_id, credential_id) = $session_id then 'same session'
        else 'same actor'
    end as relation,
    event_time,
    account_id,
    aws_region,
    event_source,
    event_name,
    error_code,
    source_ip_address,
    event_id
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and (event_id <> $event_id or account_id is distinct from $account_id)
  and (
      shared_event_id = $shared_event_id
      or request_id = $request_id
      or coalesce(access_key_id, credential_id) = $session_id
      or (account_id is not distinct from $account_id and actor = $actor)
  )
order by event_time, account_id, event_id
