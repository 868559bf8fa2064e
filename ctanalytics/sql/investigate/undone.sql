-- Calls that may have undone what was left behind: by API, and by the names in their requests.
-- grain:  account_id, event_id
-- reads:  events
-- params: names (list of APIs), targets (list), since, until (UTC, half-open)
select
    account_id,
    event_id,
    event_time,
    event_name,
    coalesce(principal_arn, actor) as principal,
    list_filter(
        $targets,
        lambda target: contains(request_parameters, '"' || target || '"')
    ) as targets
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_name in $names
  and not is_error
order by event_time, event_id
