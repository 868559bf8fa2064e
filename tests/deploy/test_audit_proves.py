"""What the template deploys passes every check of the audit that the local server can show.

That each protective property, flipped alone, fails its check is in test_protects.py.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.app.audit import policy_apis
from ctanalytics.posture import CHECKS
from ctanalytics.posture.actions import policy
from ctanalytics.posture.catalogue import about
from ctanalytics.posture.check import run
from ctanalytics.posture.expected import Expected
from ctanalytics.posture.view import View
from ctanalytics.records.posture import Finding
from tests.aws_server import ACCOUNT, REGION
from tests.deploy import stacks
from tests.posture import account
from tests.posture.proxy import Proxy, names_below_addresses
from tests.posture.readings import UNHELD

EXPECTED = Expected(
    lake_buckets=tuple(f"ctanalytics-{name}-{ACCOUNT}-{REGION}" for name in ("lake", "reports"))
)
UNREPRESENTED = tomllib.loads((Path(__file__).parent / "unrepresented.toml").read_text("utf-8"))[
    "checks"
]
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


@dataclass(frozen=True)
class Audited:
    """What the audit says of the template, and what its role for audits may do."""

    findings: list[Finding]
    role: dict[str, Any]


@pytest.fixture(scope="module")
def audited() -> Iterator[Audited]:
    with (
        pytest.MonkeyPatch.context() as patch,
        names_below_addresses(patch),
        stacks.deployer(patch) as server,
    ):
        stack = stacks.deploy("single-account", stacks.RECOMMENDED)
        server.disturb.append(Proxy(answers=dict(UNHELD)))
        view = View(account.snapshot(EXPECTED), EXPECTED)
        checks = [(name, check) for name, check in CHECKS.items() if about()[name].needs != "lake"]
        role = stack.client("iam").get_role_policy(
            RoleName="ctanalytics-audit", PolicyName="read-setup"
        )
        yield Audited(run(view, checks), role["PolicyDocument"])


def test_what_the_template_deploys_passes_every_check(audited: Audited) -> None:
    open_ = {one.check_id: one.explanation for one in audited.findings if one.status != "pass"}
    assert {
        name: open_[name] for name in open_.keys() - OUTSIDE.keys() - UNREPRESENTED.keys()
    } == {}


def test_what_lies_outside_of_the_template_still_does(audited: Audited) -> None:
    assert OUTSIDE.keys() <= {one.check_id for one in audited.findings if one.status == "fail"}


def test_the_role_of_the_template_may_do_what_an_audit_needs_and_no_more(audited: Audited) -> None:
    needed = set(policy(policy_apis())["Statement"][0]["Action"])
    (statement,) = audited.role["Statement"]
    assert set(statement["Action"]) == needed | {"organizations:ListAccounts"}
