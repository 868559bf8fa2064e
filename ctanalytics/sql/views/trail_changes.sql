-- Calls that change what is logged or who is told of it, tried or done, one row each: trails and
-- event data stores, AWS Config, GuardDuty, log groups, alarms, topics and event rules.
-- `trail_changes where area = 'trail'` are those to CloudTrail itself.
-- grain:  account_id, event_id
-- reads:  events, account_directory
-- units:  event_time UTC; area: trail, config, guardduty, logs, alarms, topics, rules; effect:
-- weakens, restores, changes; target: what the request names
with named as (
    select
        event_date,
        event_time,
        account_id,
        aws_region,
        event_id,
        event_source,
        event_name,
        principal_type,
        coalesce(principal_arn, actor) as principal,
        session_name,
        access_key_id,
        source_ip_address,
        user_agent,
        not is_error as succeeded,
        error_code,
        request_parameters,
        case event_source
            when 'cloudtrail.amazonaws.com' then 'trail'
            when 'config.amazonaws.com' then 'config'
            when 'guardduty.amazonaws.com' then 'guardduty'
            when 'logs.amazonaws.com' then 'logs'
            when 'monitoring.amazonaws.com' then 'alarms'
            when 'sns.amazonaws.com' then 'topics'
            when 'events.amazonaws.com' then 'rules'
        end as area
    from events
    where (
        event_source = 'cloudtrail.amazonaws.com'
        and regexp_matches(
            event_name,
            '^(Create|Delete|Update|Put|Start|Stop|Restore|Enable|Disable|Register|Deregister|Add|Remove)'
        )
        and event_name not in ('StartQuery', 'StartImport', 'StopImport', 'StartDashboardRefresh')
    )
    or (
        event_source = 'config.amazonaws.com'
        and event_name in (
            'DeleteConfigurationRecorder', 'DeleteDeliveryChannel', 'PutConfigurationRecorder',
            'PutDeliveryChannel', 'StartConfigurationRecorder', 'StopConfigurationRecorder'
        )
    )
    or (
        event_source = 'guardduty.amazonaws.com'
        and event_name in (
            'CreateDetector', 'CreateFilter', 'CreateIPSet', 'DeleteDetector', 'DeleteMembers',
            'DisassociateFromAdministratorAccount', 'DisassociateFromMasterAccount',
            'DisassociateMembers', 'StopMonitoringMembers', 'UpdateDetector', 'UpdateIPSet'
        )
    )
    or (
        event_source = 'logs.amazonaws.com'
        and event_name in (
            'DeleteLogGroup', 'DeleteLogStream', 'DeleteMetricFilter', 'DeleteSubscriptionFilter',
            'PutMetricFilter', 'PutRetentionPolicy', 'PutSubscriptionFilter'
        )
    )
    or (
        event_source = 'monitoring.amazonaws.com'
        and event_name in (
            'DeleteAlarms', 'DisableAlarmActions', 'EnableAlarmActions', 'PutMetricAlarm',
            'SetAlarmState'
        )
    )
    or (
        event_source = 'sns.amazonaws.com'
        and event_name in (
            'DeleteTopic', 'SetSubscriptionAttributes', 'SetTopicAttributes', 'Unsubscribe'
        )
    )
    or (
        event_source = 'events.amazonaws.com'
        and event_name in ('DeleteRule', 'DisableRule', 'EnableRule', 'PutRule', 'RemoveTargets')
    )
)
select
    named.event_date,
    named.event_time,
    named.account_id,
    named.aws_region,
    named.event_id,
    named.area,
    named.event_source,
    named.event_name,
    case
        when regexp_matches(
            named.event_name,
            '^(Delete|Stop|Disable|Disassociate|Remove|Deregister|Unsubscribe|SetAlarmState|CreateFilter|CreateIPSet)'
        ) then 'weakens'
        when regexp_matches(named.event_name, '^(Start|Enable|Restore)') then 'restores'
        else 'changes'
    end as effect,
    nullif(
        regexp_extract(
            named.request_parameters,
            '"(?:name|trailName|trailARN|eventDataStore|configurationRecorderName|detectorId|logGroupName|alarmName|topicArn|subscriptionArn|ruleName|rule)"\s*:\s*"([^"\\]+)"',
            1
        ),
        ''
    ) as target,
    named.succeeded,
    named.error_code,
    named.principal_type,
    named.principal,
    named.session_name,
    named.access_key_id,
    named.source_ip_address,
    named.user_agent,
    account_directory.account_name,
    account_directory.environment
from named
left join account_directory
    on account_directory.account_id = named.account_id
