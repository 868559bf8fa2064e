"""Targets as users name them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ctanalytics.emitters import parse_target, parse_targets
from ctanalytics.emitters.base import Outside
from ctanalytics.errors import UsageError
from ctanalytics.settings import Aws

OUTSIDE = Outside(Aws(), io.StringIO())


@pytest.mark.parametrize(
    "text",
    [
        "cloudwatch:CloudTrail/Analytics",
        "sns:arn:aws:sns:eu-west-1:111122223333:alerts",
        "sns:arn:aws-us-gov:sns:us-gov-west-1:111122223333:alerts.fifo",
        "sns:arn:aws-cn:sns:cn-north-1:111122223333:alerts",
        "logs:/ctanalytics/alerts",
        "eventbridge:default",
        "eventbridge:arn:aws:events:eu-west-1:111122223333:event-bus/security",
        "securityhub:",
        "securityhub:us-gov-west-1",
        "ocsf:/var/log/findings.ndjson",
        "ocsf:/var/log/findings/",
        "ocsf:s3://security/ocsf/",
        "stdout",
        "file:/var/log/alerts.ndjson",
    ],
)
def test_a_target_keeps_its_name(text: str) -> None:
    assert parse_target(text, OUTSIDE).emitter.target == text


def test_a_file_is_known_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_target("file:x.ndjson", OUTSIDE).emitter.target == f"file:{tmp_path}/x.ndjson"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no target"),
        ("slack:x", "no target 'slack'"),
        ("cloudwatch", "namespace"),
        ("cloudwatch:AWS/Lambda", "namespace"),
        ("cloudwatch::x", "namespace"),
        ("cloudwatch:a b", "namespace"),
        ("cloudwatch:" + "x" * 256, "namespace"),
        ("sns:alerts", "ARN"),
        ("sns:arn:aws:sqs:eu-west-1:111122223333:alerts", "ARN"),
        ("sns:arn:aws:sns:eu-west-1:111122223333:alerts\n", "ARN"),
        ("ocsf:s3://no_bucket/x", "bucket"),
        ("logs:", "log group"),
        ("logs:a b", "log group"),
        ("logs:" + "x" * 513, "log group"),
        ("eventbridge:", "event bus"),
        ("eventbridge:arn:aws:sns:eu-west-1:111122223333:alerts", "event bus"),
        ("securityhub:moon", "no region"),
        ("webhook:http://hooks.example.com/x", "webhook"),
        ("ocsf:", "no file"),
        ("ocsf:/not/there/x", "no file"),
        ("stdout:x", "no address"),
        ("file:", "no file"),
        ("file:/", "no file"),
        ("file:/not/there/x", "no file"),
    ],
)
def test_a_wrong_target_says_what_is_right(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse_target(text, OUTSIDE)
    assert caught.value.mend


def test_all_wrong_targets_are_named_at_once_and_a_double_one_is_one() -> None:
    with pytest.raises(UsageError) as caught:
        parse_targets(["sns:x", "stdout", "slack:y"], OUTSIDE)
    assert "sns:x" in caught.value.what
    assert "'slack'" in caught.value.what
    assert len(parse_targets(["stdout", "stdout"], OUTSIDE)) == 1


def test_a_target_is_known_by_its_kind_its_name_and_what_the_outbox_calls_it() -> None:
    target = parse_target("webhook:https://hooks.example.com/x", OUTSIDE)
    assert target.names[:2] == ("webhook", "webhook:https://hooks.example.com/x")
    assert target.names[2].startswith("webhook:hooks.example.com#")
    assert parse_target("stdout", OUTSIDE).names == ("stdout",)
