-- Write calls that hold one of some texts in quotes, or name one of some ARNs: all that can be about
-- a resource, found without taking requests apart.
-- grain:  account_id, event_id
-- reads:  events
-- params: quoted (texts with the quotes around them), names (without), account_id (null: any), since,
-- until, most (the newest so many)
select
    event_id,
    event_date,
    account_id
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and not read_only
  and not is_error
  and not coalesce(event_category = 'Data', not management_event, false)
  and ($account_id is null or account_id = $account_id)
  and (
      list_has_any(resource_arns, $names)
      or len(list_filter($quoted, lambda text: contains(request_parameters, text))) > 0
      or len(list_filter($quoted, lambda text: contains(response_elements, text))) > 0
  )
order by event_time desc, event_id
limit $most
