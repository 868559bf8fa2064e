"""What the template deploys passes every check of the audit that the local server can show, and
each protective property, flipped alone, fails the check it is for.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.audit import policy_apis
from ctanalytics.posture import CHECKS
from ctanalytics.posture.actions import policy
from ctanalytics.posture.catalogue import about
from ctanalytics.posture.check import run
from ctanalytics.posture.expected import Expected
from ctanalytics.posture.reading import take
from ctanalytics.posture.snapshot import Ask, Snapshot
from ctanalytics.posture.view import View
from ctanalytics.records.posture import Finding
from ctanalytics.settings import Aws
from tests.aws_server import REGION
from tests.deploy import stacks
from tests.deploy.flipping import Change, flipped, name_of, type_of
from tests.deploy.stacks import Stack
from tests.posture.proxy import Proxy, names_below_addresses
from tests.posture.readings import UNHELD

HERE = Path(__file__).parent
PROTECTS = tomllib.loads((HERE / "protects.toml").read_text("utf-8"))["protects"]
UNREPRESENTED = tomllib.loads((HERE / "unrepresented.toml").read_text("utf-8"))["checks"]
OUTSIDE = {
    "account-block-public-access": "CloudFormation can't set it for an account",
    "guardduty-on": "an organization has its own way to switch it on",
    "securityhub-on": "as GuardDuty",
    "vpc-flow-logs": "VPCs are not the template's",
    "trail-lambda-dynamodb": "switches that are off unless asked for: they cost by the call",
    "trail-bedrock": "Bedrock's data events are no switch of the template",
    "bucket-mfa-delete": "CloudFormation can't set it; Object Lock and the policy do the same",
}
"""Checks of what the template does not deploy, and why."""
EXPECTED = Expected(
    lake_buckets=(
        f"ctanalytics-lake-{stacks.MANAGEMENT}-{REGION}",
        f"ctanalytics-reports-{stacks.MANAGEMENT}-{REGION}",
    )
)


@dataclass
class Audited:
    """A stack, and what the audit read and says of it."""

    stack: Stack
    snapshot: Snapshot
    findings: list[Finding]
    pool: ThreadPoolExecutor

    def again(self, check: str, changes: list[Change]) -> list[Finding]:
        """Judge one check again, with what the changed resources' services say now."""
        kinds = {type_of(self.stack, each.resource).split("::")[1] for each in changes}
        touched = {kind.lower() for kind in kinds}
        buckets = {name_of(self.stack, each.resource) for each in changes}
        kept = {
            key: read
            for key, read in self.snapshot.reads.items()
            if read.ask.service not in touched
            or read.ask.request.get("Bucket", "") not in {"", *buckets}
        }
        taken = _read(replace(self.snapshot, reads=kept), self.pool, [check])
        return run(View(taken, EXPECTED), [(check, CHECKS[check])])


def _read(known: Snapshot | None, pool: ThreadPoolExecutor, checks: Iterable[str]) -> Snapshot:
    chosen = [(name, CHECKS[name]) for name in checks]

    def wanted(so_far: Snapshot) -> list[Ask]:
        view = View(so_far, EXPECTED)
        run(view, chosen)
        return list(view.wanted.values())

    now = dt.datetime.now(dt.UTC)
    return take(Aws(), wanted, pool=pool, regions=[REGION], known=known, now=now)


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
        checks = [name for name in CHECKS if about()[name].needs != "lake"]
        snapshot = _read(None, pool, checks)
        findings = run(View(snapshot, EXPECTED), [(name, CHECKS[name]) for name in checks])
        yield Audited(stack, snapshot, findings, pool)


def test_what_the_template_deploys_passes_every_check(audited: Audited) -> None:
    open_ = {one.check_id: one.explanation for one in audited.findings if one.status != "pass"}
    assert {
        name: open_[name] for name in open_.keys() - OUTSIDE.keys() - UNREPRESENTED.keys()
    } == {}
    assert open_.keys().isdisjoint(entry["check"] for entry in PROTECTS)


def test_what_lies_outside_of_the_template_still_does(audited: Audited) -> None:
    assert OUTSIDE.keys() <= {one.check_id for one in audited.findings if one.status == "fail"}


def test_the_role_of_the_template_may_do_what_an_audit_needs_and_no_more(audited: Audited) -> None:
    needed = set(policy(policy_apis())["Statement"][0]["Action"])
    role = audited.stack.client("iam").get_role_policy(
        RoleName="ctanalytics-audit", PolicyName="read-setup"
    )
    (statement,) = role["PolicyDocument"]["Statement"]
    assert set(statement["Action"]) == needed | {"organizations:ListAccounts"}


@pytest.mark.parametrize("entry", PROTECTS, ids=lambda entry: str(entry["check"]))
def test_without_the_property_its_check_fails(audited: Audited, entry: dict[str, Any]) -> None:
    changes = [Change.of(each) for each in entry["changes"]]
    with flipped(audited.stack, changes):
        findings = audited.again(entry["check"], changes)
    assert "fail" in {one.status for one in findings}, [one.explanation for one in findings]
