"""An account that is set up well, on the local AWS server; tests spoil one thing of it at a time."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ctanalytics.posture import CHECKS
from ctanalytics.posture.catalogue import about
from ctanalytics.posture.check import Wanting, run
from ctanalytics.posture.expected import Expected
from ctanalytics.posture.reading import take
from ctanalytics.posture.snapshot import Snapshot
from ctanalytics.posture.view import View
from ctanalytics.records.posture import Finding
from ctanalytics.settings import Aws
from tests.aws_server import ACCOUNT, REGION, Server

LOGS, ACCESS, DATA, LAKE = "audit-logs", "audit-access", "audit-data", "audit-lake"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main"
DATA_TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/of-logs"
EXPECTED = Expected(
    lake_buckets=(LAKE,),
    delegated_admins=(),
    metric_namespaces=(),
    network_sources=("s3.amazonaws.com",),
    log_writers=(f"arn:aws:iam::{ACCOUNT}:role/*",),
)
MONITORS = [name.removeprefix("monitor-") for name in about() if name.startswith("monitor-")]


def pattern_of(name: str) -> str:
    """The filter pattern that the catalogue's remedy gives."""
    text = about()[f"monitor-{name}"].cloudformation
    return text.partition("FilterPattern: >-\n")[2].partition("\n")[0].strip()


def statement(effect: str, principal: Any, actions: Any, resources: Any, **more: Any) -> Any:
    """One statement of a policy."""
    found = {"Effect": effect, "Action": actions, "Resource": resources}
    if principal is not None:
        found["Principal"] = principal
    return found | more


def document(*statements: Any) -> str:
    """A policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def service(name: str) -> dict[str, str]:
    """A service as principal."""
    return {"Service": f"{name}.amazonaws.com"}


def bucket_policy(bucket: str, trail: str) -> str:
    """The policy of a log bucket as it should be."""
    arn = f"arn:aws:s3:::{bucket}"
    ours = {"StringEquals": {"aws:SourceArn": trail}}
    cloudtrail = service("cloudtrail")
    return document(
        statement("Allow", cloudtrail, "s3:GetBucketAcl", arn, Condition=ours),
        statement("Allow", cloudtrail, "s3:PutObject", f"{arn}/AWSLogs/*", Condition=ours),
        *_denials(arn),
    )


def _denials(arn: str) -> list[Any]:
    both = [arn, f"{arn}/*"]
    without_tls = {"Bool": {"aws:SecureTransport": "false"}}
    without_mfa = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
    guarded = [
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutLifecycleConfiguration",
        "s3:PutBucketVersioning",
    ]
    return [
        statement("Deny", "*", "s3:*", both, Condition=without_tls),
        statement("Deny", "*", guarded, both, Condition=without_mfa),
    ]


@dataclass
class Built:
    """Names that moto gave."""

    key: str
    topic: str
    group: str


def build(server: Server) -> Built:
    """Set the account up."""
    key = _key(server)
    for name, trail in ((LOGS, TRAIL), (DATA, DATA_TRAIL), (LAKE, "")):
        _bucket(
            server,
            name,
            key,
            bucket_policy(name, trail) if trail else document(*_denials(f"arn:aws:s3:::{name}")),
        )
    _access_bucket(server)
    topic = _topic(server, key)
    role, group = _log_group(server, key)
    _trails(server, key, topic, role, group)
    _monitors(server, topic)
    _iam(server)
    _organization(server)
    _services(server)
    return Built(key, topic, group)


def _key(server: Server) -> str:
    kms = server.client("kms")
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    policy = document(
        statement("Allow", root, "kms:*", "*"),
        statement(
            "Allow",
            service("cloudtrail"),
            ["kms:GenerateDataKey*", "kms:DescribeKey", "kms:Decrypt"],
            "*",
            Condition={
                "StringEquals": {"aws:SourceArn": [TRAIL, DATA_TRAIL]},
                "StringLike": {
                    "kms:EncryptionContext:aws:cloudtrail:arn": f"arn:aws:cloudtrail:*:{ACCOUNT}:trail/*"
                },
            },
        ),
        statement(
            "Allow",
            {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
            ["kms:GenerateDataKey*", "kms:Decrypt"],
            "*",
        ),
    )
    arn: str = kms.create_key(Policy=policy)["KeyMetadata"]["Arn"]
    kms.enable_key_rotation(KeyId=arn)
    return arn


def _bucket(server: Server, name: str, key: str, policy: str) -> None:
    s3 = server.client("s3")
    s3.create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": REGION},
        ObjectLockEnabledForBucket=True,
    )
    s3.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 365}},
        },
    )
    s3.put_bucket_versioning(
        Bucket=name, VersioningConfiguration={"Status": "Enabled", "MFADelete": "Enabled"}
    )
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=_all_blocked())
    s3.put_bucket_policy(Bucket=name, Policy=policy)
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {
                        "SSEAlgorithm": "aws:kms",
                        "KMSMasterKeyID": key,
                    },
                    "BucketKeyEnabled": True,
                }
            ]
        },
    )
    s3.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    s3.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "archive",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "Transitions": [{"Days": 365, "StorageClass": "GLACIER"}],
                    "Expiration": {"Days": 2555},
                }
            ]
        },
    )


def _access_bucket(server: Server) -> None:
    """Where access to the other buckets is logged."""
    s3 = server.bucket(ACCESS)
    arn = f"arn:aws:s3:::{ACCESS}/*"
    policy = document(statement("Allow", service("logging.s3"), "s3:PutObject", arn))
    s3.put_bucket_policy(Bucket=ACCESS, Policy=policy)
    for name in (LOGS, DATA, LAKE):
        s3.put_bucket_logging(
            Bucket=name,
            BucketLoggingStatus={
                "LoggingEnabled": {"TargetBucket": ACCESS, "TargetPrefix": f"{name}/"}
            },
        )


def _all_blocked() -> dict[str, bool]:
    return dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )


def _topic(server: Server, key: str) -> str:
    sns = server.client("sns")
    topic: str = sns.create_topic(Name="security", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    policy = document(
        statement(
            "Allow",
            {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
            "sns:Publish",
            topic,
            Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        ),
        statement(
            "Allow",
            service("cloudtrail"),
            "sns:Publish",
            topic,
            Condition={"StringEquals": {"aws:SourceArn": TRAIL}},
        ),
    )
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    queue = server.client("sqs").create_queue(QueueName="people")["QueueUrl"].rpartition("/")[2]
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"
    )
    return topic


def _log_group(server: Server, key: str) -> tuple[str, str]:
    logs, iam = server.client("logs"), server.client("iam")
    logs.create_log_group(logGroupName="trail", kmsKeyId=key)
    logs.put_retention_policy(logGroupName="trail", retentionInDays=400)
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:trail"
    role = iam.create_role(
        RoleName="trail-to-logs",
        AssumeRolePolicyDocument=document(
            {"Effect": "Allow", "Principal": service("cloudtrail"), "Action": "sts:AssumeRole"}
        ),
    )["Role"]["Arn"]
    iam.put_role_policy(
        RoleName="trail-to-logs",
        PolicyName="write",
        PolicyDocument=document(
            statement(
                "Allow",
                None,
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                f"{group}:log-stream:{ACCOUNT}_CloudTrail_{REGION}*",
            )
        ),
    )
    return role, group


def _trails(server: Server, key: str, topic: str, role: str, group: str) -> None:
    trail = server.client("cloudtrail")
    common = {
        "IncludeGlobalServiceEvents": True,
        "IsMultiRegionTrail": True,
        "EnableLogFileValidation": True,
        "KmsKeyId": key,
        "CloudWatchLogsLogGroupArn": f"{group}:*",
        "CloudWatchLogsRoleArn": role,
        "TagsList": [{"Key": "owner", "Value": "security"}],
    }
    trail.create_trail(
        Name="main",
        S3BucketName=LOGS,
        SnsTopicName="security",
        IsOrganizationTrail=True,
        **common,
    )
    trail.create_trail(Name="of-logs", S3BucketName=DATA, **common)
    for name in ("main", "of-logs"):
        trail.start_logging(Name=name)
        trail.put_insight_selectors(
            TrailName=name,
            InsightSelectors=[
                {"InsightType": "ApiCallRateInsight"},
                {"InsightType": "ApiErrorRateInsight"},
            ],
        )
    kinds = [
        "AWS::S3::Object",
        "AWS::Lambda::Function",
        "AWS::DynamoDB::Table",
        "AWS::Bedrock::Model",
        "AWS::Bedrock::AgentAlias",
        "AWS::Bedrock::KnowledgeBase",
        "AWS::Bedrock::Guardrail",
    ]
    trail.put_event_selectors(
        TrailName="main",
        AdvancedEventSelectors=[
            selector(eventCategory="Management"),
            *(selector(eventCategory="Data", **{"resources.type": kind}) for kind in kinds),
            selector(eventCategory="NetworkActivity", eventSource="s3.amazonaws.com"),
        ],
    )
    trail.put_event_selectors(
        TrailName="of-logs",
        EventSelectors=[
            {
                "ReadWriteType": "All",
                "IncludeManagementEvents": False,
                "DataResources": [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{LOGS}/"]}],
            }
        ],
    )


def selector(**fields: str) -> dict[str, Any]:
    """An advanced event selector of equalities."""
    return {
        "FieldSelectors": [{"Field": name, "Equals": [value]} for name, value in fields.items()]
    }


def _monitors(server: Server, topic: str) -> None:
    logs, watch = server.client("logs"), server.client("cloudwatch")
    for name in MONITORS:
        logs.put_metric_filter(
            logGroupName="trail",
            filterName=name,
            filterPattern=pattern_of(name),
            metricTransformations=[
                {"metricName": name, "metricNamespace": "CISBenchmark", "metricValue": "1"}
            ],
        )
        watch.put_metric_alarm(
            AlarmName=name,
            Namespace="CISBenchmark",
            MetricName=name,
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
            AlarmActions=[topic],
        )
    events = server.client("events")
    calls = ["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"]
    pattern = {"source": ["aws.cloudtrail"], "detail": {"eventName": calls}}
    events.put_rule(Name="tampering", EventPattern=json.dumps(pattern), State="ENABLED")
    events.put_targets(Rule="tampering", Targets=[{"Id": "topic", "Arn": topic}])


def _iam(server: Server) -> None:
    iam = server.client("iam")
    for name in ("admins", "auditors"):
        iam.create_group(GroupName=name)
    manage = document(statement("Allow", None, "cloudtrail:*", "*"))
    look = document(
        statement(
            "Allow",
            None,
            [
                "cloudtrail:Describe*",
                "cloudtrail:Get*",
                "cloudtrail:List*",
                "cloudtrail:LookupEvents",
            ],
            "*",
        )
    )
    iam.put_group_policy(GroupName="admins", PolicyName="manage", PolicyDocument=manage)
    iam.put_group_policy(GroupName="auditors", PolicyName="look", PolicyDocument=look)
    for user, group in (("ada", "admins"), ("bea", "auditors")):
        iam.create_user(UserName=user)
        iam.add_user_to_group(UserName=user, GroupName=group)


def _organization(server: Server) -> None:
    organizations = server.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    calls = ["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"]
    policy = organizations.create_policy(
        Content=document(statement("Deny", None, [f"cloudtrail:{call}" for call in calls], "*")),
        Description="trails stay on",
        Name="protect-trail",
        Type="SERVICE_CONTROL_POLICY",
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy, TargetId=root)
    organizations.enable_aws_service_access(ServicePrincipal="cloudtrail.amazonaws.com")


def _services(server: Server) -> None:
    server.client("s3control").put_public_access_block(
        AccountId=ACCOUNT, PublicAccessBlockConfiguration=_all_blocked()
    )
    config = server.client("config")
    role = (
        f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"
    )
    config.put_configuration_recorder(
        ConfigurationRecorder={
            "name": "default",
            "roleARN": role,
            "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
        }
    )
    config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": LOGS})
    config.start_configuration_recorder(ConfigurationRecorderName="default")
    server.client("guardduty").create_detector(Enable=True)
    server.client("securityhub").enable_security_hub()
    ec2 = server.client("ec2")
    vpcs = [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]]
    ec2.create_flow_logs(
        ResourceType="VPC",
        ResourceIds=vpcs,
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{ACCESS}",
    )


def snapshot(expected: Expected = EXPECTED, *, known: Snapshot | None = None) -> Snapshot:
    """Read the account as the audit does."""

    with ThreadPoolExecutor(8) as pool:
        return take(
            Aws(),
            Wanting(CHECKS, expected),
            pool=pool,
            regions=[REGION],
            known=known,
            now=dt.datetime.now(dt.UTC),
        )


def judge(taken: Snapshot, expected: Expected = EXPECTED) -> list[Finding]:
    """Run all checks."""
    return run(View(taken, expected), CHECKS.items())
