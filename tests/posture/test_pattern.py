"""Patterns of metric filters and EventBridge rules, asked about events."""

from __future__ import annotations

from typing import Any

import pytest

from ctanalytics.posture.catalogue import about, monitors
from ctanalytics.posture.pattern import Unreadable, filter_matches, rule_matches
from tests.posture.account import MONITORS, pattern_of

STOP = {
    "eventSource": "cloudtrail.amazonaws.com",
    "eventName": "StopLogging",
    "readOnly": False,
    "userIdentity": {"type": "Root", "sessionContext": None},
    "resources": [{"type": "trail"}],
    "count": 7,
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.eventName = "StopLogging" }', True),
        ("{ $.eventName = StopLogging }", True),
        ('{$.eventName="Stop*"}', True),
        ('{ $.eventName = "Start*" }', False),
        ('{ $.eventName != "StartLogging" }', True),
        ('{ ($.eventName = "A") || ($.eventName = "StopLogging") }', True),
        (
            '{ ($.eventName = "A") || ($.eventName = "StopLogging") && ($.readOnly IS TRUE) }',
            False,
        ),
        (
            '{ (($.eventName = "A") || ($.eventName = "StopLogging")) && ($.readOnly IS FALSE) }',
            True,
        ),
        ("{ $.userIdentity.invokedBy NOT EXISTS }", True),
        ("{ $.userIdentity.type EXISTS }", True),
        ("{ $.userIdentity.sessionContext IS NULL }", True),
        ("{ $.count >= 7 && $.count < 8 }", True),
        ("{ $.count > 7 }", False),
        ('{ $.resources[0].type = "trail" }', True),
        ('{ $.errorCode != "x" }', False),
        ("", True),
        ('"StopLogging"', True),
        ("StopLogging StartLogging", False),
    ],
)
def test_a_filter_matches(pattern: str, expected: bool) -> None:
    assert filter_matches(pattern, STOP) is expected


@pytest.mark.parametrize(
    "pattern",
    ["{ $.a = }", "{ a = b }", "{ $.a = b", "{ $.a = b } x", "{ $.a IS MAYBE }", "{ $.a & b }"],
)
def test_a_filter_that_cannot_be_read_is_said(pattern: str) -> None:
    with pytest.raises(Unreadable):
        filter_matches(pattern, STOP)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.cloudtrail"]}, True),
        ({"source": ["aws.iam", "aws.cloudtrail"]}, True),
        ({"source": ["aws.iam"]}, False),
        ({"detail": {"eventName": ["StopLogging"]}}, True),
        ({"detail": {"eventName": [{"prefix": "Stop"}]}}, True),
        ({"detail": {"eventName": [{"suffix": "Logging"}]}}, True),
        ({"detail": {"eventName": [{"wildcard": "*Log*"}]}}, True),
        ({"detail": {"eventName": [{"anything-but": ["StopLogging"]}]}}, False),
        ({"detail": {"eventName": [{"anything-but": {"prefix": "Start"}}]}}, True),
        ({"detail": {"eventName": [{"equals-ignore-case": "stoplogging"}]}}, True),
        ({"detail": {"errorCode": [{"exists": False}]}}, True),
        ({"detail": {"errorCode": [{"exists": True}]}}, False),
        ({"detail": {"readOnly": [False]}}, True),
        ({"$or": [{"source": ["aws.iam"]}, {"detail": {"eventName": ["StopLogging"]}}]}, True),
        ({"detail": {"userIdentity": {"type": ["Root"]}}}, True),
    ],
)
def test_a_rule_matches(pattern: dict[str, Any], expected: bool) -> None:
    assert rule_matches(pattern, {"source": "aws.cloudtrail", "detail": STOP}) is expected


@pytest.mark.parametrize(
    "pattern", ["no json", "[]", {"detail": {"count": [{"numeric": ["=", 7]}]}}]
)
def test_a_rule_that_cannot_be_read_is_said(pattern: object) -> None:
    with pytest.raises(Unreadable):
        rule_matches(pattern, {"detail": STOP})


@pytest.mark.parametrize("name", MONITORS)
def test_the_remedy_of_a_monitor_matches_its_events_and_no_ordinary_one(name: str) -> None:
    samples, ordinary = monitors(name)
    assert samples
    assert [one.name for one in samples if not filter_matches(pattern_of(name), one.event)] == []
    assert [one.name for one in ordinary if filter_matches(pattern_of(name), one.event)] == []
    assert about()[f"monitor-{name}"].cloudformation.count("FilterPattern") == 1


CIS_AS_OTHERS_WRITE_IT = {
    # AWS Security Hub user guide, CloudWatch controls.
    "root-use": '{$.userIdentity.type="Root" && $.userIdentity.invokedBy NOT EXISTS && $.eventType !="AwsServiceEvent"}',
    "unauthorized-calls": '{($.errorCode="*UnauthorizedOperation") || ($.errorCode="AccessDenied*") && ($.sourceIPAddress!="delivery.logs.amazonaws.com") && ($.eventName!="HeadBucket") }',
    "sign-in-without-mfa": '{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") && ($.userIdentity.type = "IAMUser") && ($.responseElements.ConsoleLogin = "Success") }',
    "cloudtrail-changes": "{($.eventName=CreateTrail) || ($.eventName=UpdateTrail) || ($.eventName=DeleteTrail) || ($.eventName=StartLogging) || ($.eventName=StopLogging)}",
    "key-disabled": "{($.eventSource=kms.amazonaws.com) && (($.eventName=DisableKey) || ($.eventName=ScheduleKeyDeletion))}",
    "network-acl-changes": "{($.eventName=CreateNetworkAcl) || ($.eventName=CreateNetworkAclEntry) || ($.eventName=DeleteNetworkAcl) || ($.eventName=DeleteNetworkAclEntry) || ($.eventName=ReplaceNetworkAclEntry) || ($.eventName=ReplaceNetworkAclAssociation)}",
}


@pytest.mark.parametrize("name", CIS_AS_OTHERS_WRITE_IT)
def test_a_filter_as_security_hub_writes_it_will_do(name: str) -> None:
    samples, ordinary = monitors(name)
    pattern = CIS_AS_OTHERS_WRITE_IT[name]
    assert all(filter_matches(pattern, one.event) for one in samples)
    assert not any(filter_matches(pattern, one.event) for one in ordinary)
