-- Each resource that a call names: ARNs of its `resources`, request and answer, and well-known ids
-- and names of its request and answer. A call that names three has three rows, one that names none
-- has no row.
-- grain:  account_id, event_id, resource_kind, resource
-- reads:  events
-- units:  event_time UTC; resource_kind: arn, or the parameter's name as AWS writes it; is_data:
-- whether it is a data event, which uses a resource and does not change what it is
with named as (
    select
        event_date,
        event_time,
        account_id,
        aws_region,
        event_id,
        event_source,
        event_name,
        read_only,
        is_error,
        error_code,
        coalesce(event_category = 'Data', not management_event, false) as is_data,
        principal_type,
        coalesce(principal_arn, actor) as principal,
        session_name,
        access_key_id,
        invoked_by,
        source_ip_address,
        user_agent,
        -- Text search, not JSON functions: see logins.
        list_distinct(
            list_concat(
                coalesce(resource_arns, []),
                regexp_extract_all(
                    concat_ws(' ', request_parameters, response_elements),
                    '"(arn:[a-z-]+:[^"\\]+)"',
                    1
                ),
                regexp_extract_all(
                    concat_ws(' ', request_parameters, response_elements),
                    '"(?:bucketName|instanceId|imageId|groupId|volumeId|snapshotId|vpcId|subnetId|networkInterfaceId|natGatewayId|internetGatewayId|vpcEndpointId|allocationId|resourceId|keyName|userName|roleName|groupName|policyName|instanceProfileName|accessKeyId|functionName|tableName|keyId|aliasName|secretId|parameterName|stackName|stackSetName|trailName|queueUrl|queueName|topicName|dBInstanceIdentifier|dBClusterIdentifier|dBSnapshotIdentifier|clusterName|cluster|service|repositoryName|logGroupName|alarmName|ruleName|hostedZoneId|distributionId|detectorId|loadBalancerName|autoScalingGroupName|domainName|jobName|configurationRecorderName|routeTableId|networkAclId|launchTemplateId|launchTemplateName|transitGatewayId|fileSystemId|streamName|serviceName|clusterIdentifier|userPoolId|restApiId|apiId)"\s*:\s*"[^"\\]+"'
                ),
                -- Services that call what a request is about just `name`.
                case
                    when event_source in (
                        'cloudtrail.amazonaws.com',
                        'elasticloadbalancing.amazonaws.com',
                        'events.amazonaws.com',
                        'secretsmanager.amazonaws.com',
                        'sns.amazonaws.com',
                        'ssm.amazonaws.com',
                        'states.amazonaws.com'
                    )
                        then regexp_extract_all(
                            coalesce(request_parameters, ''), '"name"\s*:\s*"[^"\\]+"'
                        )
                    else []
                end
            )
        ) as resources
    from events
),
spread as (
    select
        event_date,
        event_time,
        account_id,
        aws_region,
        event_id,
        event_source,
        event_name,
        read_only,
        is_error,
        error_code,
        is_data,
        principal_type,
        principal,
        session_name,
        access_key_id,
        invoked_by,
        source_ip_address,
        user_agent,
        unnest(resources) as found
    from named
)
select
    event_date,
    event_time,
    account_id,
    aws_region,
    event_id,
    event_source,
    event_name,
    read_only,
    is_error,
    error_code,
    is_data,
    principal_type,
    principal,
    session_name,
    access_key_id,
    invoked_by,
    source_ip_address,
    user_agent,
    case
        when starts_with(found, '"') then regexp_extract(found, '^"([^"]+)"', 1)
        else 'arn'
    end as resource_kind,
    case
        when starts_with(found, '"') then regexp_extract(found, '"([^"]+)"$', 1)
        else found
    end as resource
from spread
