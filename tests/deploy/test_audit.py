"""The templates and `ctanalytics audit` prove each other."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.posture import CHECKS
from ctanalytics.posture.check import run
from ctanalytics.posture.expected import Expected
from ctanalytics.posture.reading import take
from ctanalytics.posture.snapshot import Ask, Snapshot
from ctanalytics.posture.view import View
from ctanalytics.records.posture import Finding
from ctanalytics.settings import Aws
from tests.aws_server import REGION
from tests.deploy import stacks
from tests.deploy.flipping import Change, flipped, type_of
from tests.deploy.stacks import Stack
from tests.posture.proxy import Proxy, names_below_addresses
from tests.posture.readings import UNHELD

HERE = Path(__file__).parent
PROTECTS = tomllib.loads((HERE / "protects.toml").read_text("utf-8"))["protects"]
UNREPRESENTED = tomllib.loads((HERE / "unrepresented.toml").read_text("utf-8"))["unrepresented"]
EXPECTED = Expected(
    lake_buckets=(
        f"ctanalytics-lake-{stacks.MANAGEMENT}-{REGION}",
        f"ctanalytics-reports-{stacks.MANAGEMENT}-{REGION}",
    )
)

NOT_OURS = {
    "guardduty-on": "a detector of its own, with costs of its own",
    "securityhub-on": "as GuardDuty",
    "vpc-flow-logs": "of networks that the templates know nothing of",
    "trail-lambda-dynamodb": "switches that are off unless wanted",
    "trail-bedrock": "no switch: what an account has of it differs",
    "account-block-public-access": "a setting of the account, which CloudFormation can't make",
    "bucket-mfa-delete": "S3's own, which excludes lifecycle rules: see docs/deploy.md",
}
"""Checks that the templates do not make pass, and why."""


_OF_A_LAKE = ("seen-tampering", "seen-not-recorded", "recorded-not-seen")


@dataclass
class Audited:
    """A stack, and what the audit read of it."""

    stack: Stack
    snapshot: Snapshot
    pool: ThreadPoolExecutor

    def again(self, check: str, changes: list[Change]) -> list[Finding]:
        """Judge one check again, with what the changed resources' services say now."""
        touched = {_SERVICES[type_of(self.stack, each.resource).split("::")[1]] for each in changes}
        kept = {
            key: read
            for key, read in self.snapshot.reads.items()
            if read.ask.service not in touched
        }
        return _judge(replace(self.snapshot, reads=kept), self.pool, check)


_SERVICES = {
    "CloudTrail": "cloudtrail",
    "CloudWatch": "cloudwatch",
    "Config": "config",
    "Events": "events",
    "IAM": "iam",
    "KMS": "kms",
    "Logs": "logs",
    "S3": "s3",
    "SNS": "sns",
}


def _judge(known: Snapshot | None, pool: ThreadPoolExecutor, *checks: str) -> Any:
    chosen = [(name, CHECKS[name]) for name in checks or CHECKS]

    def wanted(so_far: Snapshot) -> list[Ask]:
        view = View(so_far, EXPECTED)
        run(view, chosen)
        return list(view.wanted.values())

    now = dt.datetime.now(dt.UTC)
    taken = take(Aws(), wanted, pool=pool, regions=[REGION], known=known, now=now)
    return run(View(taken, EXPECTED), chosen) if checks else taken


@pytest.fixture(scope="module")
def audited() -> Iterator[Audited]:
    with (
        pytest.MonkeyPatch.context() as patch,
        names_below_addresses(patch),
        stacks.deployer(patch) as server,
        ThreadPoolExecutor(4) as pool,
    ):
        stack = stacks.deploy("single-account", stacks.RECOMMENDED)
        server.disturb.append(Proxy(answers=dict(UNHELD)))
        yield Audited(stack, _judge(None, pool), pool)


def test_an_account_of_ours_passes_every_check_that_the_server_can_hold(audited: Audited) -> None:
    findings = run(View(audited.snapshot, EXPECTED), CHECKS.items())
    findings = [one for one in findings if one.check_id not in _OF_A_LAKE]
    unheld = {check for entry in UNREPRESENTED for check in entry.get("checks", ())}
    faults = [
        f"{one.check_id} {one.status}: {one.resource}: {one.explanation}"
        for one in findings
        if one.status != "pass" and one.check_id not in NOT_OURS.keys() | unheld
    ]
    assert faults == []
    assert len(unheld) <= 20
    # A check that is excused and passes all the same needs no excuse any more.
    bad = {one.check_id for one in findings if one.status != "pass"}
    assert set(NOT_OURS) <= bad
    assert unheld <= bad


@pytest.mark.parametrize("entry", PROTECTS, ids=lambda entry: str(entry["check"]))
def test_without_the_property_its_check_fails(audited: Audited, entry: dict[str, Any]) -> None:
    changes = [Change.of(each) for each in entry["changes"]]
    with flipped(audited.stack, changes):
        findings = audited.again(entry["check"], changes)
    assert "fail" in {
        one.status for one in findings if entry.get("resource", "") in one.resource
    }, [(one.status, one.explanation) for one in findings]


def test_the_role_of_the_audit_may_what_the_audit_asks_and_no_more(
    audited: Audited, capsys: pytest.CaptureFixture[str]
) -> None:
    from ctanalytics.cli.main import main

    assert main(["audit", "--policy"]) == 0
    wanted = _actions(json.loads(capsys.readouterr().out))
    role = audited.stack.client("iam").get_role_policy(
        RoleName="ctanalytics-audit", PolicyName="read-setup"
    )
    assert _actions(role["PolicyDocument"]) == wanted | {"organizations:ListAccounts"}


def _actions(policy: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        action = statement["Action"]
        found |= {action} if isinstance(action, str) else set(action)
    return found
