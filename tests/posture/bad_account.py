"""Accounts on the local AWS server in which checks fail: what one can't show, the other does."""

from __future__ import annotations

from ctanalytics.posture.expected import Expected
from tests.aws_server import ACCOUNT, REGION, Server
from tests.posture.account import document, selector, service, statement

OPT_IN = "ap-east-1"
EXPECTED = Expected(
    lake_buckets=("bad-lake", "bad-lake-gone"),
    network_sources=("s3.amazonaws.com",),
    wants_replication=True,
    wants_topic=True,
)
ABROAD = "444455556666"


def build_bad(server: Server) -> None:
    """An account where nothing is set up, or all is set up wrongly."""
    key = _key(server)
    _buckets(server)
    topic = _topic(server)
    role, group = _log_group(server, topic)
    _trails(server, key, role, group)
    _iam(server)
    server.client("organizations").create_organization(FeatureSet="ALL")


def build_other(server: Server) -> None:
    """An organization's trail at home in a region that must be opted in to; twice the same events."""
    server.bucket("other-logs")
    trail = server.client("cloudtrail", OPT_IN)
    trail.create_trail(
        Name="far",
        S3BucketName="other-logs",
        IsMultiRegionTrail=True,
        IsOrganizationTrail=True,
    )
    trail.start_logging(Name="far")
    near = server.client("cloudtrail")
    near.create_trail(Name="near", S3BucketName="other-logs", IncludeGlobalServiceEvents=False)
    near.start_logging(Name="near")
    near.put_event_selectors(
        TrailName="near",
        EventSelectors=[
            {
                "ReadWriteType": "ReadOnly",
                "IncludeManagementEvents": True,
                "ExcludeManagementEventSources": ["kms.amazonaws.com"],
            }
        ],
    )


def _key(server: Server) -> str:
    kms = server.client("kms")
    wide = document(statement("Allow", {"AWS": "*"}, "kms:*", "*"))
    made = kms.create_key(Policy=wide)["KeyMetadata"]
    kms.disable_key(KeyId=made["KeyId"])
    arn: str = made["Arn"]
    return arn


def _buckets(server: Server) -> None:
    for name in ("bad-logs", "bad-lake"):
        s3 = server.bucket(name)
        arns = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
        policy = document(
            statement("Allow", "*", ["s3:GetObject", "s3:PutObject"], arns[1], Sid="Everybody"),
            statement("Allow", service("cloudtrail"), "s3:PutObject", arns[1]),
        )
        s3.put_bucket_policy(Bucket=name, Policy=policy)
        s3.put_bucket_lifecycle_configuration(
            Bucket=name,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": "forget",
                        "Status": "Enabled",
                        "Filter": {"Prefix": ""},
                        "Expiration": {"Days": 1},
                    }
                ]
            },
        )
    s3.put_object(Bucket="bad-logs", Key="holiday/pictures.zip", Body=b"x")
    s3.put_bucket_notification_configuration(
        Bucket="bad-logs",
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": f"arn:aws:sqs:{REGION}:{ABROAD}:listener",
                    "Events": ["s3:ObjectCreated:*"],
                }
            ]
        },
    )


def _topic(server: Server) -> str:
    sns = server.client("sns")
    topic: str = sns.create_topic(Name="loud")["TopicArn"]
    policy = document(
        statement("Allow", {"AWS": "*"}, ["sns:Publish", "sns:Subscribe"], topic),
        statement("Allow", service("cloudtrail"), "sns:Publish", topic),
    )
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return topic


def _log_group(server: Server, topic: str) -> tuple[str, str]:
    logs, iam, watch = server.client("logs"), server.client("iam"), server.client("cloudwatch")
    logs.create_log_group(logGroupName="short")
    logs.put_retention_policy(logGroupName="short", retentionInDays=7)
    open_to_all = document(statement("Allow", "*", "logs:*", "*"))
    logs.put_resource_policy(policyName="open", policyDocument=open_to_all)
    for name, actions in (("silent", []), ("unheard", [topic])):
        logs.put_metric_filter(
            logGroupName="short",
            filterName=name,
            filterPattern='{ $.eventName = "StopLogging" }',
            metricTransformations=[
                {"metricName": name, "metricNamespace": "Bad", "metricValue": "1"}
            ],
        )
        watch.put_metric_alarm(
            AlarmName=name,
            Namespace="Bad",
            MetricName=name,
            Statistic="Sum",
            Period=86_400,
            EvaluationPeriods=1,
            Threshold=5_000,
            ComparisonOperator="GreaterThanThreshold",
            ActionsEnabled=False,
            AlarmActions=actions,
        )
    trust = document({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="wide", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return role, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:short"


def _trails(server: Server, key: str, role: str, group: str) -> None:
    trail = server.client("cloudtrail")
    trail.create_trail(
        Name="stopped",
        S3BucketName="bad-logs",
        KmsKeyId=key,
        CloudWatchLogsLogGroupArn=f"{group}:*",
        CloudWatchLogsRoleArn=role,
    )
    abroad = key.replace(REGION, "us-west-2")
    trail.create_trail(Name="abroad", S3BucketName="bad-logs", KmsKeyId=abroad)
    server.bucket("bad-gone")
    trail.create_trail(Name="homeless", S3BucketName="bad-gone", SnsTopicName="loud")
    server.client("s3").delete_bucket(Bucket="bad-gone")
    for number in range(2):
        trail.create_trail(Name=f"spare-{number}", S3BucketName="bad-logs")
    trail.put_event_selectors(
        TrailName="stopped", AdvancedEventSelectors=[selector(eventCategory="Data")]
    )


def _iam(server: Server) -> None:
    iam = server.client("iam")
    everything = document(statement("Allow", None, "*", "*"))
    for name in ("ann", "bob", "cat", "dan"):
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=everything)
    config = server.client("config")
    config.put_configuration_recorder(
        ConfigurationRecorder={
            "name": "default",
            "roleARN": f"arn:aws:iam::{ACCOUNT}:role/wide",
            "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
        }
    )
