"""Policy documents: read with all their faults, judged as IAM does, "?" where the log can't tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.errors import UsageError
from ctanalytics.policy.document import Call, Policy, read

BUCKET = "arn:aws:s3:::logs"
CONTEXT = {"aws:requestedregion": "eu-west-1"}


def policy(folder: Path, *statements: dict[str, Any]) -> Policy:
    path = folder / "policy.json"
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    return read(path)


def allow(action: Any = "s3:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def deny(action: Any = "s3:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return allow(action, resource, **more) | {"Effect": "Deny"}


def region(name: str, operator: str = "StringEquals") -> dict[str, Any]:
    return {"Condition": {operator: {"aws:RequestedRegion": name}}}


MFA = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
NOT_S3 = {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}
NOT_HERE = {"Effect": "Allow", "Action": "s3:*", "NotResource": f"{BUCKET}*"}


@pytest.mark.parametrize(
    ("statements", "action", "resource", "expected"),
    [
        pytest.param([allow()], "s3:GetObject", f"{BUCKET}/a", "allowed", id="all-of-a-service"),
        pytest.param([allow("S3:getobject")], "s3:GetObject", f"{BUCKET}/a", "allowed", id="capitals-of-actions"),
        pytest.param([allow(resource=BUCKET.upper())], "s3:ListBucket", BUCKET, "denied", id="capitals-of-arns"),
        pytest.param([allow("s3:Get*")], "s3:PutObject", f"{BUCKET}/a", "denied", id="other-action"),
        pytest.param([allow("s3:Get?bject")], "s3:GetObject", f"{BUCKET}/a", "allowed", id="one-character"),
        pytest.param([allow(resource=f"{BUCKET}/*")], "s3:GetObject", f"{BUCKET}/a/b", "allowed", id="star-crosses-slashes"),
        pytest.param([allow(resource=f"{BUCKET}/*")], "s3:ListBucket", BUCKET, "denied", id="objects-are-not-the-bucket"),
        pytest.param([allow(resource=f"{BUCKET}[a]")], "s3:ListBucket", f"{BUCKET}a", "denied", id="no-other-wildcards"),
        pytest.param([allow(), deny("s3:Delete*")], "s3:DeleteObject", f"{BUCKET}/a", "denied", id="denial-first"),
        pytest.param([deny(), allow()], "s3:GetObject", f"{BUCKET}/a", "denied", id="denial-wins-in-any-order"),
        pytest.param([NOT_S3], "ec2:RunInstances", "*", "allowed", id="not-action"),
        pytest.param([NOT_S3], "s3:GetObject", f"{BUCKET}/a", "denied", id="not-action-left-out"),
        pytest.param([NOT_HERE], "s3:GetObject", "arn:aws:s3:::other/a", "allowed", id="not-resource"),
        pytest.param([NOT_HERE], "s3:GetObject", f"{BUCKET}/a", "denied", id="not-resource-left-out"),
        pytest.param([NOT_HERE], "s3:GetObject", None, "?", id="not-resource-unknown"),
        pytest.param([allow(resource=BUCKET)], "s3:ListBucket", None, "?", id="resource-unknown"),
        pytest.param([allow()], "s3:ListBucket", None, "allowed", id="unknown-but-all-are-allowed"),
        pytest.param([allow(), deny(resource=BUCKET)], "s3:ListBucket", None, "?", id="perhaps-denied"),
        pytest.param([allow("s3:ListAllMyBuckets", BUCKET)], "s3:ListAllMyBuckets", "*", "denied", id="takes-no-resource"),
        pytest.param([allow(**MFA)], "s3:GetObject", f"{BUCKET}/a", "?", id="condition-not-in-the-log"),
        pytest.param([allow(), deny(**MFA)], "s3:GetObject", f"{BUCKET}/a", "?", id="denial-on-condition"),
        pytest.param([allow(resource="arn:aws:s3:::no", **MFA)], "s3:GetObject", f"{BUCKET}/a", "denied", id="condition-does-not-matter"),
        pytest.param([allow(**region("eu-west-1"))], "s3:GetObject", f"{BUCKET}/a", "allowed", id="region-met"),
        pytest.param([allow(**region("us-east-1"))], "s3:GetObject", f"{BUCKET}/a", "denied", id="region-not-met"),
        pytest.param([allow(), deny(**region("eu-*", "StringNotLike"))], "s3:GetObject", f"{BUCKET}/a", "allowed", id="negated"),
        pytest.param([allow(resource=f"{BUCKET}/${{aws:username}}/*")], "s3:GetObject", f"{BUCKET}/dora/a", "?", id="variable"),
        pytest.param([allow(resource=f"{BUCKET}/${{aws:username}}/*")], "s3:GetObject", "arn:aws:s3:::no/a", "denied", id="variable-elsewhere"),
        pytest.param([], "s3:GetObject", f"{BUCKET}/a", "denied", id="nothing-allows"),
    ],
)  # fmt: skip
def test_a_call_is_judged_as_iam_does(
    tmp_path: Path, statements: list[Any], action: str, resource: str | None, expected: str
) -> None:
    judged = policy(tmp_path, allow("sts:TagSession"), *statements)
    assert judged.verdict(Call(action, resource, CONTEXT)) == expected


def test_what_the_aws_cli_prints_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "version.json"
    path.write_text(json.dumps({"PolicyVersion": {"Document": {"Statement": allow()}}}))
    assert read(path).verdict(Call("s3:GetObject", f"{BUCKET}/a")) == "allowed"


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        policy(
            tmp_path,
            {"Effect": "Permit", "Action": "s3:*", "Resource": "*"},
            {
                "Sid": "Both",
                "Effect": "Allow",
                "Action": "a:b",
                "NotAction": "a:c",
                "Resource": "*",
            },
            {"Effect": "Allow", "Action": [1], "Resource": "*"},
            {"Effect": "Allow", "Action": "a:b", "Resource": "*", "Principal": "*"},
            {"Effect": "Allow", "Action": "a:b", "Resource": "*", "Condition": ["x"]},
        )
    assert caught.value.what.count("statement") == 5
    assert "(Both)" in caught.value.what


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"Statement": []}'])
def test_what_is_no_policy_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(UsageError):
        read(path)
