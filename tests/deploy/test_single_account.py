from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPatternParser

from ctanalytics.app.deploy.kits import table
from ctanalytics.emitters.base import Run
from ctanalytics.emitters.cloudwatch import CloudWatch
from ctanalytics.settings import Aws
from tests.deploy.stacks import Stack

ACCOUNT, REGION = "123456789012", "eu-west-1"
WITNESS = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/ctanalytics-witness"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/ctanalytics-trail"
BUCKETS = [
    f"ctanalytics-{name}-{ACCOUNT}-{REGION}"
    for name in ("logs", "config", "witness", "lake", "reports", "access")
]


def test_the_trail_records_everything_and_can_be_validated(single_account: Stack) -> None:
    cloudtrail = single_account.client("cloudtrail")
    trails = {each["TrailARN"]: each for each in cloudtrail.describe_trails()["trailList"]}
    trail, witness = trails[TRAIL], trails[WITNESS]
    insights = cloudtrail.get_insight_selectors(TrailName=TRAIL)["InsightSelectors"]

    assert single_account.outputs["TrailArn"] == TRAIL
    assert trail["IsMultiRegionTrail"]
    assert trail["IncludeGlobalServiceEvents"]
    for each in (trail, witness):
        assert each["LogFileValidationEnabled"]
        assert each["KmsKeyId"] == single_account.outputs["LogKeyArn"]
        assert cloudtrail.get_trail_status(Name=each["TrailARN"])["IsLogging"]
    assert {one["InsightType"] for one in insights} == {
        "ApiCallRateInsight",
        "ApiErrorRateInsight",
    }
    everything, objects, witnessed = _selectors(cloudtrail, TRAIL)
    assert everything == {"eventCategory": ["Management"]}  # reads too, and of every service
    # The one switch that was given, and none that was not.
    assert objects["resources.type"] == ["AWS::S3::Object"]
    # What is done with log files is recorded by a trail that writes elsewhere: no loop, and who
    # deletes the one bucket does not delete the record of it.
    assert objects["resources.ARN"]["NotStartsWith"] == [f"arn:aws:s3:::{BUCKETS[0]}/"]
    (log_files,) = _selectors(cloudtrail, WITNESS)
    assert log_files["resources.ARN"]["StartsWith"] == [f"arn:aws:s3:::{BUCKETS[0]}/"]
    assert set(log_files) == {"eventCategory", "resources.type", "resources.ARN"}
    # Nor is there a bucket of which nobody records what is done in it.
    assert witnessed["resources.ARN"]["StartsWith"] == [f"arn:aws:s3:::{BUCKETS[2]}/"]
    assert witness["S3BucketName"] == BUCKETS[2] != trail["S3BucketName"] == BUCKETS[0]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_every_bucket_is_private_versioned_encrypted_and_logged(
    single_account: Stack, bucket: str
) -> None:
    s3 = single_account.client("s3")
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    owner = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    default = encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    logging = s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled", {})
    policy = _statements(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    deleting = policy["DenyDeletingWithoutMfa"]

    assert set(block.values()) == {True}
    assert owner["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    # S3 delivers access logs only where its own key encrypts, and they need no log of their own.
    ours = bucket != BUCKETS[-1]
    assert default["SSEAlgorithm"] == ("aws:kms" if ours else "AES256")
    assert logging.get("TargetBucket") == (BUCKETS[-1] if ours else None)
    assert policy["DenyPlainHttp"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert policy["DenyPlainHttp"]["Action"] == "s3:*"
    assert deleting["Condition"] == {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
    assert deleting["Principal"] == "*"
    assert {"s3:PutLifecycleConfiguration", "s3:PutBucketVersioning"} <= set(deleting["Action"])
    if "DenyDeletingButByNightly" in policy:
        assert "Condition" not in policy["DenyDeletingVersions"]
        assert policy["DenyDeletingVersions"]["Action"] == "s3:DeleteObjectVersion"
        condition = policy["DenyDeletingButByNightly"]["Condition"]
        role = f"arn:aws:iam::{ACCOUNT}:role/ctanalytics-nightly"
        assert condition["ArnNotEquals"] == {"aws:PrincipalArn": role}
    else:
        assert {"s3:DeleteObject", "s3:DeleteObjectVersion"} <= set(deleting["Action"])


def test_log_files_are_locked_then_archived_then_expire(single_account: Stack) -> None:
    s3 = single_account.client("s3")
    for bucket in (BUCKETS[0], BUCKETS[2]):
        lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
        (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        assert lock["Rule"]["DefaultRetention"]["Mode"] == "COMPLIANCE"
        assert lock["Rule"]["DefaultRetention"]["Days"] == 365
        assert rule["Transitions"] == [{"Days": 365, "StorageClass": "GLACIER"}]
        assert rule["Expiration"] == {"Days": 2557}


def test_only_our_trail_may_write_to_bucket_and_key(single_account: Stack) -> None:
    s3, kms = single_account.client("s3"), single_account.client("kms")
    key = single_account.outputs["LogKeyArn"]
    bucket = _statements(s3.get_bucket_policy(Bucket=BUCKETS[0])["Policy"])
    policy = _statements(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])

    for name in ("CloudTrailChecks", "CloudTrailDelivers"):
        assert bucket[name]["Condition"]["StringEquals"]["aws:SourceArn"] == TRAIL
    for name in ("CloudTrailEncrypts", "CloudTrailDescribes"):
        assert policy[name]["Condition"]["StringEquals"]["aws:SourceArn"] == [TRAIL, WITNESS]
    assert bucket["CloudTrailDelivers"]["Resource"] == [
        f"arn:aws:s3:::{BUCKETS[0]}/AWSLogs/{ACCOUNT}/*"
    ]
    assert policy["CloudTrailEncrypts"]["Condition"]["StringLike"] == {
        "kms:EncryptionContext:aws:cloudtrail:arn": [
            f"arn:aws:cloudtrail:*:{ACCOUNT}:trail/ctanalytics-trail",
            WITNESS,
        ]
    }
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    # Whoever administers the key can't read with it, nor grant that to anybody.
    powers = policy["AccountAdministers"]["Action"]
    assert not {power for power in powers if "crypt" in power or "*" in power}
    assert not {"kms:CreateGrant", "kms:GenerateDataKey"} & set(powers)
    assert [name for name, one in policy.items() if "kms:Decrypt" in one["Action"]] == [
        "ConfigEncrypts",
        "IngestDecrypts",
    ]


def test_every_cis_pattern_has_an_alarm_that_tells_the_topic(single_account: Stack) -> None:
    filters = single_account.client("logs").describe_metric_filters()["metricFilters"]
    alarms = {
        alarm["AlarmName"]: alarm
        for alarm in single_account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    }
    topic = single_account.outputs["AlertTopicArn"]
    sns = single_account.client("sns")
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    policy = _statements(attributes["Policy"])

    assert {one["filterPattern"] for one in filters} == {
        one["pattern"] for one in table("cis.toml")["alarms"]
    }
    for one in filters:
        alarm = alarms[one["filterName"]]
        (metric,) = one["metricTransformations"]
        assert alarm["AlarmActions"] == [topic]
        assert (alarm["Namespace"], alarm["MetricName"], alarm["Threshold"]) == (
            metric["metricNamespace"],
            metric["metricName"],
            1.0,
        )
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["Endpoint"] == (
        "security@example.com"
    )
    assert attributes["KmsMasterKeyId"].startswith(f"arn:aws:kms:{REGION}:{ACCOUNT}:key/")
    assert {name for name, one in policy.items() if one["Effect"] == "Allow"} == {
        "AlarmsPublish",
        "RulesPublish",
    }
    assert policy["DenyRulesOfOtherAccounts"]["Condition"]["StringNotEquals"] == {
        "aws:SourceAccount": ACCOUNT
    }


def test_a_night_that_does_not_come_raises_an_alarm(single_account: Stack) -> None:
    cloudwatch = single_account.client("cloudwatch")
    names = ["ctanalytics-run-missed", "ctanalytics-lake-behind"]
    alarms = cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
    CloudWatch("Ctanalytics", Aws()).finish(Run(dt.datetime.now(dt.UTC), lake_lag_minutes=12))
    told = cloudwatch.list_metrics(Namespace="Ctanalytics")["Metrics"]
    assert {alarm["MetricName"] for alarm in alarms} == {"RunSucceeded", "LakeLagMinutes"}
    for alarm in alarms:
        assert alarm["MetricName"] in {one["MetricName"] for one in told if not one["Dimensions"]}
        assert alarm["TreatMissingData"] == "breaching"
        assert alarm["Period"] * alarm["EvaluationPeriods"] == 26 * 3_600
        assert alarm["Namespace"] == "Ctanalytics"
        assert alarm["Dimensions"] == []
        assert alarm["AlarmActions"] == [single_account.outputs["AlertTopicArn"]]


def test_config_records_by_its_service_role_into_a_bucket_without_a_lock(
    single_account: Stack,
) -> None:
    config = single_account.client("config")
    (recorder,) = config.describe_configuration_recorders()["ConfigurationRecorders"]
    (status,) = config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
    (channel,) = config.describe_delivery_channels()["DeliveryChannels"]
    role = single_account.client("iam").get_role(RoleName="AWSServiceRoleForConfig")["Role"]

    assert recorder["roleARN"] == role["Arn"]
    assert recorder["recordingGroup"]["allSupported"]
    assert recorder["recordingGroup"]["includeGlobalResourceTypes"]
    assert status["recording"]
    assert channel["s3BucketName"] == BUCKETS[1]
    with pytest.raises(Exception, match="ObjectLockConfigurationNotFoundError"):
        single_account.client("s3").get_object_lock_configuration(Bucket=BUCKETS[1])


def test_groups_hold_the_managed_policies(single_account: Stack) -> None:
    iam = single_account.client("iam")
    held = {
        group: [
            policy["PolicyName"]
            for policy in iam.list_attached_group_policies(GroupName=group)["AttachedPolicies"]
        ]
        for group in ("ctanalytics-trail-administrators", "ctanalytics-trail-auditors")
    }
    assert held == {
        "ctanalytics-trail-administrators": ["AWSCloudTrail_FullAccess"],
        "ctanalytics-trail-auditors": ["AWSCloudTrail_ReadOnlyAccess"],
    }


def test_roles_may_do_what_they_are_for_and_no_more(single_account: Stack) -> None:
    iam = single_account.client("iam")
    may: dict[str, set[str]] = {}
    anywhere: dict[str, set[str]] = {}
    for name in ("ingest", "emit", "audit", "nightly", "trail-logs"):
        role = f"ctanalytics-{name}"
        trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert all("Condition" in statement for statement in trust), role
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            for statement in document["Statement"]:
                if statement["Effect"] == "Allow":
                    actions = _listed(statement["Action"])
                    may.setdefault(name, set()).update(actions)
                    if statement["Resource"] == "*" and "Condition" not in statement:
                        anywhere.setdefault(name, set()).update(actions)

    writes = ("Put", "Delete", "Create", "Update", "Attach", "Detach", "Set", "Add", "Remove")
    assert [action for action in may["audit"] if action.split(":")[1].startswith(writes)] == []
    assert not any(
        "*" in action
        for name in set(may) - {"audit"}
        for action in may[name] - {"kms:GenerateDataKey*"}
    )
    assert set(anywhere) == {"audit", "ingest"}
    assert anywhere["ingest"] == {"cloudtrail:ListPublicKeys"}
    assert may["ingest"] == {
        "s3:GetBucketLocation",
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "kms:Decrypt",
        "cloudtrail:ListPublicKeys",
    }
    assert may["emit"] == {
        "cloudwatch:PutMetricData",
        "sns:Publish",
        "kms:Decrypt",
        "kms:GenerateDataKey*",
    }
    assert may["trail-logs"] == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_every_tampering_call_is_told_and_its_near_miss_is_not(single_account: Stack) -> None:
    events = single_account.client("events")
    rules = {rule["Name"]: rule for rule in events.list_rules()["Rules"]}
    patterns = {
        name: EventPatternParser(rule["EventPattern"]).parse() for name, rule in rules.items()
    }
    for name in rules:
        (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
        assert target["Arn"] == single_account.outputs["WatchBusArn"]
    (told,) = events.list_targets_by_rule(
        Rule="ctanalytics-watch-alert", EventBusName="ctanalytics-watch"
    )["Targets"]
    assert told["Arn"] == single_account.outputs["AlertTopicArn"]

    missed, noisy = [], []
    for call, request, key in _tampering(single_account):
        if not _matching(patterns, _event(call, request, key)):
            missed.append(call)
        if request or key:
            others = {name: _others(value) for name, value in request.items()}
            if _matching(patterns, _event(call, others, "arn:aws:kms:eu-west-1:1:key/other")):
                noisy.append(call)
    assert missed == []
    assert noisy == []
    assert not _matching(patterns, _event(("cloudtrail", "DescribeTrails"), {}, ""))
    assert not _matching(patterns, _event(("s3", "PutObject"), {"bucketName": BUCKETS[0]}, ""))


def test_what_the_server_cannot_hold_is_listed_for_the_version_in_use() -> None:
    import moto

    listed = tomllib.loads((Path(__file__).parent / "unrepresented.toml").read_text("utf-8"))
    for entry in listed["unrepresented"]:
        assert set(entry) == {"api", "resource", "reason", "version"}
        assert entry["version"] == moto.__version__, "look again whether it is still so"


def _selectors(cloudtrail: Any, trail: str) -> list[dict[str, Any]]:
    found = cloudtrail.get_event_selectors(TrailName=trail)["AdvancedEventSelectors"]
    return [
        {each["Field"]: each.get("Equals") or each for each in one["FieldSelectors"]}
        for one in found
    ]


def _statements(text: str) -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in json.loads(text)["Statement"]}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _tampering(stack: Stack) -> list[tuple[tuple[str, str], dict[str, Any], str]]:
    """Each call that the rules are about, on a thing of ours."""
    ours = {
        "bucketName": BUCKETS[0],
        "logGroupName": "/ctanalytics/cloudtrail",
        "alarmNames": ["ctanalytics-root-use"],
        "topicArn": stack.outputs["AlertTopicArn"],
        "subscriptionArn": stack.outputs["AlertTopicArn"] + ":0000",
        "roleName": "ctanalytics-ingest",
    }
    found = []
    for rule in table("tampering.toml")["rules"]:
        key = stack.outputs["LogKeyArn"] if rule.get("own_keys") else ""
        for call in rule["calls"]:
            wanted = call.get("request", {})
            names = ["cluster"] if "$or" in wanted else list(wanted)
            request = {name: ours.get(name, "ctanalytics-watch-trail") for name in names}
            if rule["id"] == "ServiceRoles":
                request = {"roleName": "AWSServiceRoleForCloudTrail"}
            for each in call["names"]:
                name = each if isinstance(each, str) else each["prefix"] + "Policy"
                found.append(((call["service"], name), request, key))
    return found


def _others(value: Any) -> Any:
    return ["app-latency"] if isinstance(value, list) else "arn:aws:sns:eu-west-1:1:app"


def _event(call: tuple[str, str], request: dict[str, Any], key: str) -> dict[str, Any]:
    return {
        "source": f"aws.{call[0]}",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": f"{call[0]}.amazonaws.com",
            "eventName": call[1],
            "errorCode": "AccessDenied",  # an attempt that failed is told as well
            "requestParameters": request,
            "resources": {"ARN": key} if key else {},
        },
    }


def _matching(patterns: dict[str, Any], event: dict[str, Any]) -> list[str]:
    from moto.events.models import EventPattern

    return [
        name
        for name, pattern in patterns.items()
        if EventPattern(None, pattern).matches_event(event)  # type: ignore[arg-type]
    ]
