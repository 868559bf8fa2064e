"""What several properties come to together, and what an audit says where it can't know."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ctanalytics import untrusted
from ctanalytics.posture import CHECKS
from ctanalytics.posture.catalogue import about
from ctanalytics.posture.check import run
from ctanalytics.posture.recorded import matrix
from ctanalytics.posture.seen import Seen, SeenClass, Tampering
from ctanalytics.posture.snapshot import Snapshot
from ctanalytics.posture.view import View
from tests.aws_server import ACCOUNT, REGION
from tests.posture import account
from tests.posture.account import LOGS, TRAIL, document, statement
from tests.posture.changing import NOW, changed, drop, one, policy, put, rewrite
from tests.posture.readings import Readings


def test_the_shorter_logs_live_the_graver(readings: Readings) -> None:
    def expiring(days: int) -> Snapshot:
        def apply(answer: Any) -> None:
            answer["Rules"][0]["Expiration"] = {"Days": days}

        return changed(readings.good, "s3:GetBucketLifecycleConfiguration", apply, LOGS)

    severities = [one("bucket-lifecycle", expiring(days), LOGS).severity for days in (30, 200)]
    assert severities == ["high", "medium"]
    assert one("bucket-lifecycle", expiring(400), LOGS).status == "pass"


UNLOCKED = ("s3:GetObjectLockConfiguration", put(ObjectLockConfiguration={}))
NO_MFA_POLICY = (
    "s3:GetBucketPolicy",
    policy(LOGS, drop("BoolIfExists", "aws:MultiFactorAuthPresent")),
)
MFA_DELETE = ("s3:GetBucketVersioning", put(MFADelete="Enabled"))


@pytest.mark.parametrize(
    ("changes", "protections"),
    [
        pytest.param([NO_MFA_POLICY], ["Object Lock"], id="lock"),
        pytest.param([UNLOCKED], ["a policy that denies deleting without MFA"], id="policy"),
        pytest.param([UNLOCKED, NO_MFA_POLICY, MFA_DELETE], ["MFA Delete"], id="mfa-delete"),
        pytest.param([UNLOCKED, NO_MFA_POLICY], [], id="none"),
        pytest.param(
            [UNLOCKED, ("s3:GetBucketPolicy", rewrite("BoolIfExists", "Bool"))],
            [],
            id="not-if-exists",
        ),
        pytest.param(
            [UNLOCKED, ("s3:GetBucketPolicy", rewrite("s3:PutBucketVersioning", "s3:GetObject"))],
            [],
            id="one-call-left-open",
        ),
    ],
)
def test_deleting_is_protected_by_any_of_three_and_they_are_named(
    changes: list[Any], protections: list[str], readings: Readings
) -> None:
    snapshot = readings.good
    for api, change in changes:
        snapshot = changed(snapshot, api, change, LOGS)
    found = one("bucket-delete-protected", snapshot, LOGS)
    assert found.evidence.get("protections", []) == protections
    assert found.status == ("pass" if protections else "fail")


def test_a_protection_that_was_not_read_counts_as_none(readings: Readings) -> None:
    denied = readings.denied["s3:GetObjectLockConfiguration"]
    snapshot = changed(readings.good, *NO_MFA_POLICY, LOGS).with_reads(denied)
    found = one("bucket-delete-protected", snapshot, LOGS)
    assert found.status == "unknown"
    assert found.missing == ("s3:GetBucketObjectLockConfiguration",)


def test_a_lake_holds_when_its_versions_do(readings: Readings) -> None:
    snapshot = changed(readings.good, *UNLOCKED, account.LAKE)
    assert one("lake-delete-protected", snapshot, account.LAKE).status == "pass"
    calls = ["s3:DeleteObject*", "s3:PutLifecycleConfiguration", "s3:PutBucketVersioning"]
    both = [f"arn:aws:s3:::{account.LAKE}", f"arn:aws:s3:::{account.LAKE}/*"]
    keeper = {"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/keeper"}}
    for condition, status in (
        (keeper, "pass"),
        ({"ArnEquals": keeper["ArnNotEquals"]}, "fail"),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-0EXAMPLE"}}, "fail"),
    ):
        text = document(statement("Deny", "*", calls, both, Condition=condition))
        held = changed(snapshot, "s3:GetBucketPolicy", put(Policy=text), account.LAKE)
        found = one("lake-delete-protected", held, account.LAKE)
        assert found.status == status
        assert bool(found.evidence.get("protections")) == (status == "pass")
    loose = changed(held, "s3:GetBucketVersioning", put(Status="Suspended"), account.LAKE)
    assert one("lake-delete-protected", loose, account.LAKE).status == "fail"


def test_two_trails_record_what_one_leaves_out(readings: Readings) -> None:
    reads = {"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True, "DataResources": []}
    writes = reads | {"ReadWriteType": "WriteOnly"}
    halves = changed(
        readings.good,
        "cloudtrail:GetEventSelectors",
        lambda answer: (answer.clear(), answer.update(EventSelectors=[reads])),
        "trail/main",
    )
    rows = [row for row in matrix(View(halves)) if row["events"].startswith("management")]
    assert {row["events"]: row["extent"] for row in rows} == {
        "management writes": "none",
        "management reads": "all",
    }
    both = changed(
        halves,
        "cloudtrail:GetEventSelectors",
        lambda answer: (answer.clear(), answer.update(EventSelectors=[writes])),
        "trail/of-logs",
    )
    rows = [row for row in matrix(View(both)) if row["events"].startswith("management")]
    assert {row["extent"] for row in rows} == {"all"}
    assert one("trail-multi-region", both).status == "fail"


def test_trails_that_record_apart_are_no_duplicates(readings: Readings) -> None:
    def recording(kind: str) -> Callable[[Any], None]:
        row = {"ReadWriteType": kind, "IncludeManagementEvents": True, "DataResources": []}
        return lambda answer: (answer.clear(), answer.update(EventSelectors=[row]))

    api = "cloudtrail:GetEventSelectors"
    reads = changed(readings.good, api, recording("ReadOnly"), "trail/main")
    apart = changed(reads, api, recording("WriteOnly"), "trail/of-logs")
    assert one("trail-duplicate", apart).status == "pass"
    twice = changed(reads, api, recording("All"), "trail/of-logs")
    assert one("trail-duplicate", twice).status == "fail"


def test_a_trail_may_leave_out_log_files_and_no_other_objects(readings: Readings) -> None:
    def all_but(bucket: str) -> Callable[[Any], None]:
        arn = {"Field": "resources.ARN", "NotStartsWith": [f"arn:aws:s3:::{bucket}/"]}

        def apply(answer: Any) -> None:
            answer["AdvancedEventSelectors"][1]["FieldSelectors"].append(arn)

        return apply

    api = "cloudtrail:GetEventSelectors"
    without_logs = changed(readings.good, api, all_but(account.DATA), "trail/main")
    assert one("trail-s3-data-write", without_logs).status == "pass"
    assert one("trail-log-bucket-data", without_logs, account.DATA).status == "fail"
    without_others = changed(readings.good, api, all_but("payroll"), "trail/main")
    found = one("trail-s3-data-write", without_others)
    assert "payroll" in found.explanation


def test_the_account_of_a_key_is_nobody_outside(readings: Readings) -> None:
    """A trail of the management account may use the key of a log archive."""
    archive = replace(readings.good, account_id="444455556666")
    found = [
        each
        for each in run(
            View(archive, account.EXPECTED),
            [("key-policy-not-public", CHECKS["key-policy-not-public"])],
        )
        if ":key/" in each.resource
    ]
    assert {each.status for each in found} == {"pass"}


def test_what_a_trail_records_is_unknown_where_its_selectors_are(readings: Readings) -> None:
    blind = readings.good.with_reads(readings.denied["cloudtrail:GetEventSelectors"])
    rows = matrix(View(blind))
    assert {row["extent"] for row in rows} == {"unknown"}
    assert "GetEventSelectors" in rows[0]["left_out"]


def test_who_may_change_trails_is_named_with_the_way(readings: Readings) -> None:
    few = replace(account.EXPECTED, most_trail_admins=0)
    found = one("iam-full-access", readings.good, expected=few)
    assert found.status == "fail"
    assert found.evidence["holders"] == {
        f"arn:aws:iam::{ACCOUNT}:user/ada": "cloudtrail:StopLogging through group admins: inline policy manage"
    }
    named = replace(few, trail_admins=(f"arn:aws:iam::{ACCOUNT}:user/a*",))
    assert one("iam-full-access", readings.good, expected=named).status == "pass"


def test_a_boundary_takes_a_right_away(readings: Readings) -> None:
    few = replace(account.EXPECTED, most_trail_admins=0)
    bound = "arn:aws:iam::aws:policy/ReadOnlyAccess"

    def limit(answer: Any) -> None:
        for user in answer["UserDetailList"]:
            user["PermissionsBoundary"] = {"PermissionsBoundaryArn": bound}
        document = {"Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}
        versions = [{"IsDefaultVersion": True, "Document": document}]
        answer["Policies"].append({"Arn": bound, "PolicyVersionList": versions})

    bounded = changed(readings.good, "iam:GetAccountAuthorizationDetails", limit)
    assert one("iam-full-access", bounded, expected=few).status == "pass"


def test_a_policy_whose_text_is_not_known_is_no_pass(readings: Readings) -> None:
    def attach(answer: Any) -> None:
        answer["UserDetailList"][0]["AttachedManagedPolicies"] = [
            {
                "PolicyName": "AdministratorAccess",
                "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess",
            }
        ]

    found = one(
        "iam-full-access", changed(readings.good, "iam:GetAccountAuthorizationDetails", attach)
    )
    assert found.status == "unknown"


def test_a_trail_of_another_region_that_cannot_be_listed_is_said(readings: Readings) -> None:
    partly = readings.good.with_reads(readings.denied["cloudtrail:ListTrails"])
    found = run(View(partly, account.EXPECTED), [("trail-kms", CHECKS["trail-kms"])])
    assert [each.status for each in found] == ["pass", "pass", "unknown"]
    assert found[-1].missing == ("cloudtrail:ListTrails",)


def test_an_event_bridge_rule_will_do_instead_of_a_filter(readings: Readings) -> None:
    calls = ["DisableKey", "ScheduleKeyDeletion"]
    pattern = {"source": ["aws.kms"], "detail-type": ["AWS API Call via CloudTrail"]}
    text = json.dumps(pattern | {"detail": {"eventName": calls}})
    bare = changed(readings.good, "logs:DescribeMetricFilters", put(metricFilters=[]))
    assert one("monitor-key-disabled", bare).status == "fail"
    ruled = changed(
        bare, "events:ListRules", lambda answer: answer["Rules"][0].update(EventPattern=text)
    )
    found = one("monitor-key-disabled", ruled)
    assert found.status == "pass"
    assert "EventBridge rule" in found.explanation


def seen(*classes: SeenClass, tampering: tuple[Tampering, ...] = ()) -> Seen:
    return Seen(NOW - dt.timedelta(days=7), NOW, classes, tampering)


def of_class(
    category: str = "Management",
    kind: str = "",
    *,
    region: str = REGION,
    days: float = 6,
    quiet_hours: float = 0,
    events: int = 5_000,
) -> SeenClass:
    last = NOW - dt.timedelta(hours=quiet_hours)
    return SeenClass(region, category, kind, "", True, events, last - dt.timedelta(days=days), last)


def test_events_that_no_trail_records_now_are_a_contradiction(readings: Readings) -> None:
    queues = of_class("Data", "AWS::SQS::Queue")
    found = one("seen-not-recorded", readings.good, seen=seen(of_class(), queues))
    assert found.status == "fail"
    assert list(found.evidence["last_seen"]) == ["data AWS::SQS::Queue writes"]
    nameless = of_class("Data")
    assert one("seen-not-recorded", readings.good, seen=seen(of_class(), nameless)).status == "pass"
    old = of_class("Data", "AWS::SQS::Queue", quiet_hours=60)
    assert one("seen-not-recorded", readings.good, seen=seen(of_class(), old)).status == "pass"
    blind = readings.good.with_reads(readings.denied["cloudtrail:GetEventSelectors"])
    assert one("seen-not-recorded", blind, seen=seen(queues)).status == "unknown"


def test_what_is_recorded_and_came_hourly_has_to_come(readings: Readings) -> None:
    silent = of_class(quiet_hours=30)
    assert one("recorded-not-seen", readings.good, seen=seen(silent)).status == "fail"
    for other in (
        of_class(quiet_hours=10),
        of_class(quiet_hours=30, events=20),
        of_class(quiet_hours=30, days=1),
        of_class("Data", "AWS::SQS::Queue", quiet_hours=30),
    ):
        assert one("recorded-not-seen", readings.good, seen=seen(other)).status == "pass"


def test_tampering_that_was_done_outweighs_what_was_tried(readings: Readings) -> None:
    def call(succeeded: bool) -> Tampering:
        return Tampering(NOW, "e-1", "StopLogging", "role/x", "main", succeeded)

    done = one("seen-tampering", readings.good, seen=seen(tampering=(call(True), call(False))))
    assert (done.status, done.severity) == ("fail", "high")
    assert "role/x called StopLogging on main" in done.explanation
    tried = one("seen-tampering", readings.good, seen=seen(tampering=(call(False),)))
    assert (tried.status, tried.severity) == ("fail", "medium")
    assert one("seen-tampering", readings.good, seen=seen()).status == "pass"
    assert one("seen-tampering", readings.good).status == "unknown"


def test_a_remedy_names_the_resource(readings: Readings) -> None:
    off = changed(
        readings.good,
        "cloudtrail:DescribeTrails",
        lambda answer: [
            each.update(LogFileValidationEnabled=False) for each in answer["trailList"]
        ],
    )
    found = one("trail-log-file-validation", off, TRAIL)
    assert found.remedy_cli == (
        f"aws cloudtrail update-trail --name {TRAIL} --region {REGION} --enable-log-file-validation"
    )
    assert "EnableLogFileValidation: true" in found.remedy_cloudformation


EVIL = "a b'; touch owned #\n$(id)`id`\"\x1b[2J\u202e"


@pytest.mark.parametrize("check_id", sorted(about()))
def test_no_name_of_a_resource_leaves_its_word_in_a_remedy(check_id: str) -> None:
    """Names of alarms hold any character, and a remedy is there to be copied into a shell."""
    words = about()[check_id]
    names = re.findall(r"(?<!\{)\{([a-z_]+)\}(?!\})", words.cli)
    plain = words.remedy(dict.fromkeys(names, "plain"))
    evil = words.remedy(dict.fromkeys(names, EVIL))
    assert evil.count("\n") == plain.count("\n")
    command = evil.partition("  # ")[0]  # what follows is a comment, on the same line
    expected = shlex.split(plain.partition("  # ")[0])
    shown = untrusted.one_line(EVIL, limit=2_000)
    assert shlex.split(command) == [word.replace("plain", shown) for word in expected]
    assert not [one for one in evil if one != "\n" and unicodedata.category(one)[0] == "C"]
