"""Resources of a call: only what its record proves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ctanalytics.policy.arns import NO_RESOURCE, proven, request

ACCOUNT = "111122223333"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:alerts"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def found(
    action: str, parameters: Any, arns: list[str] | None = None, region: str = "eu-west-1"
) -> tuple[str, ...]:
    return proven(action, request(ACCOUNT, region, arns, json.dumps(parameters))).arns


@pytest.mark.parametrize(
    ("action", "parameters", "arns", "expected"),
    [
        pytest.param("s3:PutBucketPolicy", {"bucketName": "b"}, None, ["arn:aws:s3:::b"], id="bucket"),
        pytest.param("s3:GetObject", {"bucketName": "b", "key": "a/b c"}, ["arn:aws:s3:::b/a/x"], ["arn:aws:s3:::b/a/x"], id="object-by-resources"),
        pytest.param("s3:GetObject", {"bucketName": "b", "key": "a/x"}, None, ["arn:aws:s3:::b/a/x"], id="object-by-request"),
        pytest.param("dynamodb:PutItem", {"tableName": "t"}, None, [f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t"], id="table"),
        pytest.param("ec2:StopInstances", {"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}}, None, [f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/i-{n}" for n in (1, 2)], id="list"),
        pytest.param("sns:SetTopicAttributes", {"topicArn": TOPIC}, None, [TOPIC], id="arn-in-request"),
        pytest.param("kms:DisableKey", {"keyId": KEY}, [KEY], [KEY], id="arn-twice"),
        pytest.param("lambda:UpdateFunctionCode", {"functionName": "f"}, None, [f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f"], id="function"),
        pytest.param("s3:PutBucketPolicy", {"bucketName": "b", "bucketPolicy": {"Resource": "arn:aws:s3:::other"}}, None, ["arn:aws:s3:::b"], id="not-what-a-policy-mentions"),
        pytest.param("ecs:UpdateService", {"cluster": "c", "service": "s"}, None, [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/c/s"], id="two-variables"),
    ],
)  # fmt: skip
def test_what_a_record_proves(
    action: str, parameters: Any, arns: list[str] | None, expected: list[str]
) -> None:
    assert found(action, parameters, arns) == tuple(expected)


def test_partitions_follow_the_region() -> None:
    (arn,) = found("dynamodb:PutItem", {"tableName": "t"}, region="us-gov-west-1")
    assert arn.startswith("arn:aws-us-gov:dynamodb:us-gov-west-1:")


@pytest.mark.parametrize(
    ("action", "parameters", "why"),
    [
        ("ec2:DescribeInstances", {}, NO_RESOURCE),
        ("iam:GetRole", {}, "the log does not prove which role it was"),
        ("ec2:RunInstances", {"instanceType": "t3.micro"}, "the log does not prove which "),
        ("dynamodb:PutItem", None, "the log does not prove which table it was"),
        ("s3:GetObject", {"bucketName": "b*", "key": "x"}, "the log does not prove which "),
    ],
)
def test_what_it_does_not_prove_has_a_reason(action: str, parameters: Any, why: str) -> None:
    made = proven(action, request(ACCOUNT, "eu-west-1", None, json.dumps(parameters)))
    assert made.arns == ()
    assert made.why
    assert made.why.startswith(why)
