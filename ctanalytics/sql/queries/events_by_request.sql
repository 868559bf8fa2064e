-- All records of one request, in every account that was sent a copy.
-- grain:  account_id, event_id
-- reads:  events
-- params: request text
select
    event_time,
    account_id,
    event_source,
    event_name,
    coalesce(principal_arn, actor) as principal,
    error_code,
    event_id,
    shared_event_id
from events
where request_id = $request
   or shared_event_id = $request
order by event_time, account_id, event_id
