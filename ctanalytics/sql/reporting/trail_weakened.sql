-- Calls of a span that stopped, deleted or narrowed a trail and succeeded; the newest first.
-- grain:  account_id, event_id
-- reads:  events
-- params: since, until (UTC, half-open), top
-- units:  event_time UTC; target: what the request names; found: rows in all
select
    event_time,
    account_id,
    aws_region,
    event_id,
    event_name,
    coalesce(principal_arn, actor) as principal,
    nullif(
        regexp_extract(
            request_parameters,
            '"(?:name|trailName|eventDataStore)"\s*:\s*"([^"\\]+)"',
            1
        ),
        ''
    ) as target,
    count(*) over () as found
from events
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
  and event_source = 'cloudtrail.amazonaws.com'
  and not is_error
  and (
      event_name in (
          'StopLogging', 'DeleteTrail', 'DeleteEventDataStore', 'StopEventDataStoreIngestion'
      )
      or (
          event_name = 'UpdateTrail'
          and regexp_matches(
              request_parameters,
              '"(isMultiRegionTrail|includeGlobalServiceEvents|enableLogFileValidation|isOrganizationTrail)"\s*:\s*false|"(kmsKeyId|cloudWatchLogsLogGroupArn|snsTopicName)"\s*:\s*""'
          )
      )
      or (
          event_name = 'PutEventSelectors'
          and regexp_matches(
              request_parameters,
              '"readWriteType"\s*:\s*"(ReadOnly|WriteOnly)"|"excludeManagementEventSources"\s*:\s*\[\s*"'
          )
      )
      or (
          event_name = 'PutInsightSelectors'
          and regexp_matches(request_parameters, '"insightSelectors"\s*:\s*\[\s*\]')
      )
  )
order by event_time desc, account_id, event_id
limit $top
