"""One property changed at a time, on the account that is set up well."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws_server import ACCOUNT, REGION
from tests.posture.account import LOGS, statement
from tests.posture.changing import ago, changed, drop, one, policy, put, rewrite
from tests.posture.readings import Readings

STATUS = "cloudtrail:GetTrailStatus"
CASES = [
    pytest.param(
        "trail-logging",
        STATUS,
        put(StartLoggingTime=ago(hours=2), StopLoggingTime=ago(hours=1)),
        "fail",
        "stopped after it was last started",
        id="stopped-last",
    ),
    pytest.param(
        "trail-delivering",
        STATUS,
        put(LatestDeliveryError="AccessDenied"),
        "fail",
        "AccessDenied",
        id="delivery-error",
    ),
    pytest.param(
        "trail-delivering",
        STATUS,
        put(LatestDeliveryTime=ago(hours=30)),
        "fail",
        "hours ago",
        id="delivery-old",
    ),
    pytest.param(
        "trail-digest-delivering",
        STATUS,
        put(LatestDigestDeliveryTime=ago(hours=3)),
        "fail",
        "3 hours ago",
        id="digest-old",
    ),
    pytest.param(
        "trail-digest-delivering",
        STATUS,
        put(LatestDigestDeliveryError="NoSuchBucket"),
        "fail",
        "NoSuchBucket",
        id="digest-error",
    ),
    pytest.param(
        "trail-digest-delivering",
        STATUS,
        put(LatestDigestDeliveryTime=ago(minutes=50)),
        "pass",
        "",
        id="digest-fresh",
    ),
    pytest.param(
        "trail-cloudwatch-logs",
        STATUS,
        put(LatestCloudWatchLogsDeliveryTime=ago(days=2)),
        "fail",
        "more than a day",
        id="log-group-old",
    ),
    pytest.param(
        "trail-sns",
        STATUS,
        put(LatestNotificationError="InvalidParameter"),
        "fail",
        "InvalidParameter",
        id="notification-error",
    ),
    pytest.param(
        "trail-insights",
        "cloudtrail:GetInsightSelectors",
        put(
            InsightSelectors=[
                {"InsightType": "ApiCallRateInsight", "EventCategories": ["Data"]},
                {"InsightType": "ApiErrorRateInsight", "EventCategories": ["Management", "Data"]},
            ]
        ),
        "fail",
        "ApiCallRateInsight",
        id="insights-of-data-alone",
    ),
    pytest.param(
        "bucket-access-logging",
        "s3:GetBucketLogging",
        put(LoggingEnabled={"TargetBucket": LOGS}),
        "fail",
        "same bucket",
        id="logged-into-itself",
    ),
    pytest.param(
        "bucket-object-lock",
        "s3:GetObjectLockConfiguration",
        put(
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 400}},
            }
        ),
        "fail",
        "GOVERNANCE",
        id="lock-may-be-bypassed",
    ),
    pytest.param(
        "bucket-object-lock",
        "s3:GetObjectLockConfiguration",
        put(
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1}},
            }
        ),
        "pass",
        "365 days",
        id="lock-in-years",
    ),
    pytest.param(
        "bucket-policy-source-arn",
        "s3:GetBucketPolicy",
        rewrite("trail/main", "trail/somebody-elses"),
        "fail",
        "none of the trails",
        id="another-trail",
    ),
    pytest.param(
        "bucket-policy-source-arn",
        "s3:GetBucketPolicy",
        rewrite(f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main", "*"),
        "fail",
        "anybody",
        id="any-trail",
    ),
    pytest.param(
        "bucket-policy-least",
        "s3:GetBucketPolicy",
        rewrite("/AWSLogs/*", "/*"),
        "fail",
        "outside of AWSLogs/",
        id="writes-anywhere",
    ),
    pytest.param(
        "bucket-policy-least",
        "s3:GetBucketPolicy",
        policy(
            LOGS,
            lambda rows: rows.append(
                statement(
                    "Allow", {"AWS": "086441151436"}, "s3:PutObject", f"arn:aws:s3:::{LOGS}/*"
                )
            ),
        ),
        "fail",
        "086441151436",
        id="an-account-of-cloudtrail-by-number",
    ),
    pytest.param(
        "bucket-deny-non-tls",
        "s3:GetBucketPolicy",
        policy(LOGS, drop("Bool", "aws:SecureTransport")),
        "fail",
        "without TLS",
        id="no-tls",
    ),
    pytest.param(
        "bucket-notification",
        "s3:GetBucketNotificationConfiguration",
        put(
            LambdaFunctionConfigurations=[
                {"LambdaFunctionArn": f"arn:aws:lambda:{REGION}:444455556666:function:f"}
            ]
        ),
        "fail",
        "444455556666",
        id="told-abroad",
    ),
    pytest.param(
        "key-enabled",
        "kms:DescribeKey",
        lambda answer: answer["KeyMetadata"].update(KeyState="PendingDeletion"),
        "fail",
        "PendingDeletion",
        id="key-waits-for-deletion",
    ),
    pytest.param(
        "key-policy-cloudtrail",
        "kms:GetKeyPolicy",
        rewrite("kms:EncryptionContext:aws:cloudtrail:arn", "kms:ViaService"),
        "fail",
        "EncryptionContext",
        id="no-context",
    ),
    pytest.param(
        "key-policy-not-public",
        "kms:ListGrants",
        put(
            Grants=[
                {
                    "GranteePrincipal": "arn:aws:iam::444455556666:role/reader",
                    "Operations": ["Decrypt"],
                }
            ]
        ),
        "fail",
        "a grant",
        id="a-grant-abroad",
    ),
    pytest.param(
        "topic-encrypted",
        "sns:GetTopicAttributes",
        lambda answer: answer["Attributes"].update(KmsMasterKeyId="alias/aws/sns"),
        "fail",
        "AWS manages",
        id="the-key-that-lets-no-alarm-through",
    ),
    pytest.param(
        "alarm-topic-subscribed",
        "sns:ListSubscriptionsByTopic",
        put(Subscriptions=[{"SubscriptionArn": "PendingConfirmation"}]),
        "fail",
        "nobody has subscribed",
        id="never-confirmed",
    ),
    pytest.param(
        "monitor-root-use",
        "sns:ListSubscriptionsByTopic",
        put(Subscriptions=[]),
        "fail",
        "nobody has subscribed",
        id="nobody-hears",
    ),
    pytest.param(
        "monitor-root-use",
        "cloudwatch:DescribeAlarms",
        lambda answer: [each.update(ActionsEnabled=False) for each in answer["MetricAlarms"]],
        "fail",
        "actions disabled",
        id="alarm-silenced",
    ),
    pytest.param(
        "monitor-root-use",
        "logs:DescribeMetricFilters",
        lambda answer: [each.update(filterPattern="") for each in answer["metricFilters"]],
        "fail",
        "ordinary calls too",
        id="filter-matches-everything",
    ),
    pytest.param(
        "monitor-iam-policy-changes",
        "logs:DescribeMetricFilters",
        lambda answer: [
            each.update(filterPattern=each["filterPattern"].replace("DetachRolePolicy", "X"))
            for each in answer["metricFilters"]
        ],
        "fail",
        "DetachRolePolicy",
        id="filter-leaves-one-out",
    ),
    pytest.param(
        "loggroup-role",
        "iam:GetAccountAuthorizationDetails",
        lambda answer: [
            role["RolePolicyList"][0]["PolicyDocument"]["Statement"][0].update(Action="logs:*")
            for role in answer["RoleDetailList"]
            if role["RoleName"] == "trail-to-logs"
        ],
        "fail",
        "logs:*",
        id="role-may-more",
    ),
    pytest.param(
        "config-recorder-on",
        "config:DescribeConfigurationRecorderStatus",
        lambda answer: answer["ConfigurationRecordersStatus"][0].update(
            lastStatus="FAILURE", lastErrorMessage="no bucket"
        ),
        "fail",
        "no bucket",
        id="recorder-fails",
    ),
    pytest.param(
        "iam-scp-protects-trail",
        "organizations:ListTargetsForPolicy",
        put(Targets=[]),
        "fail",
        "StopLogging",
        id="attached-to-nothing",
    ),
    pytest.param(
        "vpc-flow-logs",
        "ec2:DescribeVpcs",
        lambda answer: answer["Vpcs"].append({"VpcId": "vpc-0EXAMPLE"}),
        "fail",
        "vpc-0EXAMPLE",
        id="a-dark-vpc",
    ),
    pytest.param(
        "trail-home-region-opt-in",
        "ec2:DescribeRegions",
        lambda answer: [
            each.update(OptInStatus="opted-in")
            for each in answer["Regions"]
            if each["RegionName"] == REGION
        ],
        "fail",
        "opted in",
        id="region-of-choice",
    ),
]


@pytest.mark.parametrize(("name", "api", "change", "status", "said"), CASES)
def test_a_property_decides(
    name: str, api: str, change: Any, status: str, said: str, readings: Readings
) -> None:
    found = one(name, changed(readings.good, api, change))
    assert (found.status, said in found.explanation) == (status, True), found.explanation
