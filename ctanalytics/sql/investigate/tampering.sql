-- Changes to trails, and what weakened other watchers, in the subject's accounts during the span, by
-- anybody.
-- grain:  account_id, event_id
-- reads:  trail_changes
-- params: accounts (list), since, until (UTC, half-open), rows
select
    event_time,
    area,
    effect,
    event_name,
    target,
    succeeded,
    error_code,
    account_id,
    account_name,
    aws_region,
    principal,
    source_ip_address,
    event_id,
    count(*) over () as found
from trail_changes
where account_id in $accounts
  -- By name, so that files are filtered by it; trail_changes has more, as alarms that autoscaling sets.
  and event_name in (
      'CreateTrail', 'DeleteTrail', 'UpdateTrail', 'StartLogging', 'StopLogging', 'PutEventSelectors',
      'PutInsightSelectors', 'DeleteEventDataStore', 'UpdateEventDataStore', 'RestoreEventDataStore',
      'StopEventDataStoreIngestion', 'StartEventDataStoreIngestion',
      'RegisterOrganizationDelegatedAdmin', 'DeregisterOrganizationDelegatedAdmin',
      'DeleteConfigurationRecorder', 'DeleteDeliveryChannel', 'StopConfigurationRecorder',
      'StartConfigurationRecorder', 'CreateFilter', 'CreateIPSet', 'DeleteDetector', 'DeleteMembers',
      'DisassociateFromAdministratorAccount', 'DisassociateFromMasterAccount',
      'DisassociateMembers', 'StopMonitoringMembers', 'UpdateDetector', 'UpdateIPSet',
      'DeleteLogGroup', 'DeleteLogStream', 'DeleteMetricFilter', 'DeleteSubscriptionFilter',
      'PutRetentionPolicy', 'DeleteAlarms', 'DisableAlarmActions', 'SetAlarmState', 'DeleteTopic',
      'Unsubscribe', 'DeleteRule', 'DisableRule', 'RemoveTargets'
  )
  and event_time >= $since
  and event_time < $until
order by event_time, event_id
limit $rows
