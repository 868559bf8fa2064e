"""Each type of resource of our templates, made by the public API of its service.

A property that no call takes is an error, so that a template can't promise what is not made.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.deploy.cloudformation import Made, Maker, Place

MAKERS: dict[str, Maker] = {}


def makes(kind: str) -> Callable[[Maker], Maker]:
    def keep(maker: Maker) -> Maker:
        MAKERS[kind] = maker
        return maker

    return keep


def _take(properties: dict[str, Any], *names: str, **renamed: str) -> dict[str, Any]:
    """Take properties out, under the names that the API has for them."""
    wanted = {name: name for name in names} | renamed
    return {api: properties.pop(own) for own, api in wanted.items() if own in properties}


def _nothing_left(properties: dict[str, Any]) -> None:
    assert not properties, f"properties that no call takes: {properties}"


def _lower(value: Any) -> Any:
    """Write keys in lower camel case, as ECS, Config and ECR have them."""
    if isinstance(value, dict):
        return {
            key if key.startswith("awslogs") else key[0].lower() + key[1:]: _lower(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_lower(inner) for inner in value]
    return value


@makes("AWS::KMS::Key")
def _key(place: Place, has: dict[str, Any], name: str) -> Made:
    kms = place.client("kms")
    policy, rotates = json.dumps(has.pop("KeyPolicy")), has.pop("EnableKeyRotation", False)
    has.pop("PendingWindowInDays")  # counts when the key is deleted
    if place.again:
        (key,) = [
            each["KeyId"]
            for each in kms.list_keys()["Keys"]
            if kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]["Description"]
            == has["Description"]
        ]
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
        (kms.enable_key_rotation if rotates else kms.disable_key_rotation)(KeyId=key)
        return Made(key)
    made = kms.create_key(Policy=policy, **_take(has, "Description"))["KeyMetadata"]
    if rotates:
        kms.enable_key_rotation(KeyId=made["KeyId"])
    _nothing_left(has)
    return Made(made["KeyId"], {"Arn": made["Arn"]})


@makes("AWS::KMS::Alias")
def _alias(place: Place, has: dict[str, Any], name: str) -> Made:
    place.client("kms").create_alias(**has)
    return Made(has["AliasName"])


@makes("AWS::S3::Bucket")
def _bucket(place: Place, has: dict[str, Any], name: str) -> Made:
    s3 = place.client("s3")
    bucket = has.pop("BucketName")
    lock = {"ObjectLockEnabledForBucket": True} if has.pop("ObjectLockEnabled", False) else {}
    if not place.again:
        s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": place.region}, **lock
        )
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration=has.pop("PublicAccessBlockConfiguration"),
    )
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=has.pop("OwnershipControls"))
    s3.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration=has.pop("VersioningConfiguration")
    )
    rules = has.pop("BucketEncryption")["ServerSideEncryptionConfiguration"]
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [
                _take(
                    rule,
                    "BucketKeyEnabled",
                    ServerSideEncryptionByDefault="ApplyServerSideEncryptionByDefault",
                )
                for rule in rules
            ]
        },
    )
    if "ObjectLockConfiguration" in has:
        s3.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration=has.pop("ObjectLockConfiguration")
        )
    rules = has.pop("LifecycleConfiguration")["Rules"]
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [_lifecycle(rule) for rule in rules]}
    )
    logging = has.pop("LoggingConfiguration", {})
    target = _take(logging, DestinationBucketName="TargetBucket", LogFilePrefix="TargetPrefix")
    s3.put_bucket_logging(
        Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": target} if target else {}
    )
    _nothing_left(has)
    return Made(bucket, {"Arn": f"arn:aws:s3:::{bucket}"})


def _lifecycle(rule: dict[str, Any]) -> dict[str, Any]:
    found = _take(
        rule, "Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload", Id="ID"
    ) | {"Filter": {"Prefix": ""}}
    if "ExpirationInDays" in rule:
        found["Expiration"] = {"Days": rule.pop("ExpirationInDays")}
    if "Transitions" in rule:
        found["Transitions"] = [
            {"Days": each["TransitionInDays"], "StorageClass": each["StorageClass"]}
            for each in rule.pop("Transitions")
        ]
    _nothing_left(rule)
    return found


@makes("AWS::S3::BucketPolicy")
def _bucket_policy(place: Place, has: dict[str, Any], name: str) -> Made:
    place.client("s3").put_bucket_policy(
        Bucket=has["Bucket"], Policy=json.dumps(has["PolicyDocument"])
    )
    return Made(has["Bucket"])


@makes("AWS::SNS::Topic")
def _topic(place: Place, has: dict[str, Any], name: str) -> Made:
    sns = place.client("sns")
    topic = has.pop("TopicName")
    if place.again:
        arn = f"arn:aws:sns:{place.region}:{place.account}:{topic}"
        key = has.get("KmsMasterKeyId", "")
        sns.set_topic_attributes(TopicArn=arn, AttributeName="KmsMasterKeyId", AttributeValue=key)
        return Made(arn)
    arn = sns.create_topic(Name=topic, Attributes=has)["TopicArn"]
    return Made(arn, {"TopicArn": arn})


@makes("AWS::SNS::TopicPolicy")
def _topic_policy(place: Place, has: dict[str, Any], name: str) -> Made:
    for topic in has["Topics"]:
        place.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(has["PolicyDocument"])
        )
    return Made(name)


@makes("AWS::SNS::Subscription")
def _subscription(place: Place, has: dict[str, Any], name: str) -> Made:
    return Made(place.client("sns").subscribe(**has)["SubscriptionArn"])


@makes("AWS::SQS::Queue")
def _queue(place: Place, has: dict[str, Any], name: str) -> Made:
    sqs = place.client("sqs")
    queue = has.pop("QueueName")
    values = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in has.items()
    }
    url = sqs.create_queue(QueueName=queue, Attributes=values)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return Made(url, {"Arn": arn["QueueArn"], "QueueName": queue})


@makes("AWS::SQS::QueuePolicy")
def _queue_policy(place: Place, has: dict[str, Any], name: str) -> Made:
    for url in has["Queues"]:
        place.client("sqs").set_queue_attributes(
            QueueUrl=url, Attributes={"Policy": json.dumps(has["PolicyDocument"])}
        )
    return Made(name)


@makes("AWS::Logs::LogGroup")
def _log_group(place: Place, has: dict[str, Any], name: str) -> Made:
    logs = place.client("logs")
    group = has.pop("LogGroupName")
    if place.again:  # moto has neither AssociateKmsKey nor DisassociateKmsKey
        logs.delete_log_group(logGroupName=group)
    logs.create_log_group(logGroupName=group, **_take(has, KmsKeyId="kmsKeyId"))
    logs.put_retention_policy(logGroupName=group, retentionInDays=has.pop("RetentionInDays"))
    _nothing_left(has)
    arn = f"arn:aws:logs:{place.region}:{place.account}:log-group:{group}:*"
    return Made(group, {"Arn": arn})


@makes("AWS::Logs::MetricFilter")
def _metric_filter(place: Place, has: dict[str, Any], name: str) -> Made:
    changed = _lower(has)
    logs = place.client("logs")
    if place.again:  # moto adds a second one of the same name
        logs.delete_metric_filter(
            logGroupName=changed["logGroupName"], filterName=changed["filterName"]
        )
    logs.put_metric_filter(**changed)
    return Made(changed["filterName"])


@makes("AWS::CloudWatch::Alarm")
def _alarm(place: Place, has: dict[str, Any], name: str) -> Made:
    place.client("cloudwatch").put_metric_alarm(**has)
    return Made(has["AlarmName"])


@makes("AWS::CloudTrail::Trail")
def _trail(place: Place, has: dict[str, Any], name: str) -> Made:
    cloudtrail = place.client("cloudtrail")
    trail = has.pop("TrailName")
    logging, insights = has.pop("IsLogging"), has.pop("InsightSelectors", [])
    selectors = has.pop("AdvancedEventSelectors")
    tags = has.pop("Tags", [])
    wanted = _take(
        has,
        "S3BucketName",
        "IsMultiRegionTrail",
        "IsOrganizationTrail",
        "IncludeGlobalServiceEvents",
        "CloudWatchLogsLogGroupArn",
        "CloudWatchLogsRoleArn",
        "EnableLogFileValidation",
        KMSKeyId="KmsKeyId",
    )
    if place.again:  # made anew: moto adds Insights and keeps tags
        cloudtrail.delete_trail(Name=trail)
    arn = cloudtrail.create_trail(Name=trail, TagsList=tags, **wanted)["TrailARN"]
    if place.again and not tags:
        kept = cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"][0]["TagsList"]
        cloudtrail.remove_tags(ResourceId=arn, TagsList=kept)
    _nothing_left(has)
    cloudtrail.put_event_selectors(TrailName=trail, AdvancedEventSelectors=selectors)
    if insights:
        cloudtrail.put_insight_selectors(TrailName=trail, InsightSelectors=insights)
    if logging:
        cloudtrail.start_logging(Name=trail)
    return Made(trail, {"Arn": arn})


@makes("AWS::Config::ConfigurationRecorder")
def _recorder(place: Place, has: dict[str, Any], name: str) -> Made:
    place.client("config").put_configuration_recorder(
        ConfigurationRecorder={
            "name": has["Name"],
            "roleARN": has["RoleARN"],
            "recordingGroup": _lower(has["RecordingGroup"]),
        }
    )
    return Made(has["Name"])


@makes("AWS::Config::DeliveryChannel")
def _delivery(place: Place, has: dict[str, Any], name: str) -> Made:
    config = place.client("config")
    config.put_delivery_channel(DeliveryChannel=_lower(has))
    # CloudFormation starts the recorder when both are there.
    for one in config.describe_configuration_recorders()["ConfigurationRecorders"]:
        config.start_configuration_recorder(ConfigurationRecorderName=one["name"])
    return Made(has["Name"])


@makes("AWS::IAM::Role")
def _role(place: Place, has: dict[str, Any], name: str) -> Made:
    iam = place.client("iam")
    role = has.pop("RoleName", name)
    trust, more = json.dumps(has.pop("AssumeRolePolicyDocument")), _take(has, "Description")
    if place.again:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust)
        made = {"Arn": ""}
    else:
        made = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust, **more)["Role"]
    for policy in has.pop("Policies"):
        iam.put_role_policy(
            RoleName=role,
            PolicyName=policy["PolicyName"],
            PolicyDocument=json.dumps(policy["PolicyDocument"]),
        )
    _nothing_left(has)
    return Made(role, {"Arn": made["Arn"]})


@makes("AWS::IAM::Group")
def _group(place: Place, has: dict[str, Any], name: str) -> Made:
    iam = place.client("iam")
    group = has.pop("GroupName")
    if place.again:
        arn = ""
        for held in iam.list_attached_group_policies(GroupName=group)["AttachedPolicies"]:
            iam.detach_group_policy(GroupName=group, PolicyArn=held["PolicyArn"])
    else:
        arn = iam.create_group(GroupName=group)["Group"]["Arn"]
    for policy in has.pop("ManagedPolicyArns", []):
        _know_managed_policy(place, policy)
        iam.attach_group_policy(GroupName=group, PolicyArn=policy)
    for policy in has.pop("Policies", []):
        iam.put_group_policy(
            GroupName=group,
            PolicyName=policy["PolicyName"],
            PolicyDocument=json.dumps(policy["PolicyDocument"]),
        )
    _nothing_left(has)
    return Made(group, {"Arn": arn})


def _know_managed_policy(place: Place, arn: str) -> None:
    """Give an account one of AWS's managed policies: moto knows all of them or none.

    All of them in every account take seconds to make, and again at each reset.
    """
    name = arn.rsplit("/", 1)[-1]
    from moto.iam.models import AWSManagedPolicy, iam_backends

    policy = AWSManagedPolicy.from_data(name, place.account, place.region, _managed()[name])
    assert policy.arn == arn
    iam_backends[place.account]["aws"].managed_policies[arn] = policy


@cache
def _managed() -> dict[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    found: dict[str, Any] = json.loads(aws_managed_policies_data)
    return found


@makes("AWS::IAM::ServiceLinkedRole")
def _service_role(place: Place, has: dict[str, Any], name: str) -> Made:
    # By hand: moto's CreateServiceLinkedRole calls it AWSServiceRoleForconfig.
    service = has["AWSServiceName"]
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    role = place.client("iam").create_role(
        RoleName=f"AWSServiceRoleFor{service.partition('.')[0].capitalize()}",
        Path=f"/aws-service-role/{service}/",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]
    return Made(role["RoleName"])


@makes("AWS::Events::EventBus")
def _bus(place: Place, has: dict[str, Any], name: str) -> Made:
    arn = place.client("events").create_event_bus(**has)["EventBusArn"]
    return Made(has["Name"], {"Arn": arn, "Name": has["Name"]})


@makes("AWS::Events::EventBusPolicy")
def _bus_policy(place: Place, has: dict[str, Any], name: str) -> Made:
    statement = {"Sid": has["StatementId"]} | has["Statement"]
    place.client("events").put_permission(
        EventBusName=has["EventBusName"],
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    return Made(name)


@makes("AWS::Events::Rule")
def _rule(place: Place, has: dict[str, Any], name: str) -> Made:
    events = place.client("events")
    targets = has.pop("Targets")
    pattern = json.dumps(has.pop("EventPattern"), separators=(",", ":"))
    assert len(pattern) <= 2_048, f"{has['Name']}: EventBridge takes 2,048 characters"
    arn = events.put_rule(EventPattern=pattern, **has)["RuleArn"]
    bus = {"EventBusName": has["EventBusName"]} if "EventBusName" in has else {}
    failed = events.put_targets(Rule=has["Name"], Targets=targets, **bus)
    assert not failed["FailedEntryCount"], failed
    return Made(has["Name"], {"Arn": arn})


@makes("AWS::Organizations::Policy")
def _organization_policy(place: Place, has: dict[str, Any], name: str) -> Made:
    organizations = place.client("organizations")
    content = json.dumps(has.pop("Content"), separators=(",", ":"))
    assert len(content) <= 5_120, "Organizations takes 5,120 characters"
    targets = has.pop("TargetIds", [])
    made = organizations.create_policy(Content=content, **has)["Policy"]["PolicySummary"]
    for target in targets:
        organizations.attach_policy(PolicyId=made["Id"], TargetId=target)
    return Made(made["Id"])


@makes("AWS::ECR::Repository")
def _repository(place: Place, has: dict[str, Any], name: str) -> Made:
    ecr = place.client("ecr")
    life = has.pop("LifecyclePolicy")["LifecyclePolicyText"]
    made = ecr.create_repository(**_lower(has))["repository"]
    ecr.put_lifecycle_policy(repositoryName=made["repositoryName"], lifecyclePolicyText=life)
    attributes = {"Arn": made["repositoryArn"], "RepositoryUri": made["repositoryUri"]}
    return Made(made["repositoryName"], attributes)


@makes("AWS::ECS::Cluster")
def _cluster(place: Place, has: dict[str, Any], name: str) -> Made:
    made = place.client("ecs").create_cluster(clusterName=has["ClusterName"])["cluster"]
    return Made(has["ClusterName"], {"Arn": made["clusterArn"]})


@makes("AWS::ECS::TaskDefinition")
def _task(place: Place, has: dict[str, Any], name: str) -> Made:
    changed = _lower(has)
    changed["ephemeralStorage"] = {"sizeInGiB": changed["ephemeralStorage"]["sizeInGiB"]}
    made = place.client("ecs").register_task_definition(**changed)["taskDefinition"]
    return Made(made["taskDefinitionArn"])


@makes("AWS::EC2::SecurityGroup")
def _security_group(place: Place, has: dict[str, Any], name: str) -> Made:
    ec2 = place.client("ec2")
    made = ec2.create_security_group(
        GroupName=name, Description=has["GroupDescription"], VpcId=has["VpcId"]
    )["GroupId"]
    everything = ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"][0]
    ec2.revoke_security_group_egress(GroupId=made, IpPermissions=everything["IpPermissionsEgress"])
    ec2.authorize_security_group_egress(
        GroupId=made,
        IpPermissions=[
            _take(rule, "IpProtocol", "FromPort", "ToPort")
            | {"IpRanges": [_take(rule, "CidrIp", "Description")]}
            for rule in has["SecurityGroupEgress"]
        ],
    )
    return Made(made, {"GroupId": made})


@makes("AWS::Scheduler::ScheduleGroup")
def _schedule_group(place: Place, has: dict[str, Any], name: str) -> Made:
    place.client("scheduler").create_schedule_group(**has)
    return Made(has["Name"])


@makes("AWS::Scheduler::Schedule")
def _schedule(place: Place, has: dict[str, Any], name: str) -> Made:
    ecs = has["Target"]["EcsParameters"]
    ecs["NetworkConfiguration"] = {
        "awsvpcConfiguration": ecs["NetworkConfiguration"]["AwsvpcConfiguration"]
    }
    place.client("scheduler").create_schedule(**has)
    return Made(has["Name"])
