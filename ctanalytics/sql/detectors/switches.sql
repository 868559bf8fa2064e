-- Calls after which an account or a region may log nothing more, or nothing more to this trail.
-- grain:  account_id, event_id
-- reads:  events
-- params: since, until (UTC, half-open), since_date, until_date
select
    account_id,
    aws_region,
    event_id,
    event_time,
    event_source,
    event_name,
    coalesce(principal_arn, actor) as principal,
    coalesce(
        json_extract_string(request_parameters, '$.regionName'),
        json_extract_string(request_parameters, '$.RegionName')
    ) as target_region,
    coalesce(
        json_extract_string(request_parameters, '$.accountId'),
        json_extract_string(request_parameters, '$.AccountId')
    ) as target_account
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_time_status = 'ok'
  and error_code is null
  and (event_source, event_name) in (
      ('cloudtrail.amazonaws.com', 'StopLogging'),
      ('cloudtrail.amazonaws.com', 'DeleteTrail'),
      ('cloudtrail.amazonaws.com', 'UpdateTrail'),
      ('cloudtrail.amazonaws.com', 'PutEventSelectors'),
      ('account.amazonaws.com', 'DisableRegion'),
      ('account.amazonaws.com', 'CloseAccount'),
      ('organizations.amazonaws.com', 'CloseAccount'),
      ('organizations.amazonaws.com', 'RemoveAccountFromOrganization'),
      ('organizations.amazonaws.com', 'LeaveOrganization')
  )
order by event_time, account_id, event_id
