"""Each protective property of the template, flipped alone, fails the check of `audit` it is for.

That the template passes as it is, and what lies outside of it, is in test_audit_proves.py.
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
from tests.deploy.flipping import Change, flipped, name_of, type_of
from tests.deploy.stacks import Stack
from tests.posture.proxy import Proxy, names_below_addresses
from tests.posture.readings import UNHELD

PROTECTS = tomllib.loads((Path(__file__).parent / "protects.toml").read_text("utf-8"))["protects"]
EXPECTED = Expected(
    lake_buckets=(
        f"ctanalytics-lake-{stacks.MANAGEMENT}-{REGION}",
        f"ctanalytics-reports-{stacks.MANAGEMENT}-{REGION}",
    )
)


@dataclass
class Audited:
    """A stack, and what the audit read of it."""

    stack: Stack
    snapshot: Snapshot
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
        checks = dict.fromkeys(entry["check"] for entry in PROTECTS)
        snapshot = _read(None, pool, checks)
        findings = run(View(snapshot, EXPECTED), [(name, CHECKS[name]) for name in checks])
        assert [one for one in findings if one.status != "pass"] == []
        yield Audited(stack, snapshot, pool)


@pytest.mark.parametrize("entry", PROTECTS, ids=lambda entry: str(entry["check"]))
def test_without_the_property_its_check_fails(audited: Audited, entry: dict[str, Any]) -> None:
    changes = [Change.of(each) for each in entry["changes"]]
    with flipped(audited.stack, changes):
        findings = audited.again(entry["check"], changes)
    assert "fail" in {one.status for one in findings}, [one.explanation for one in findings]
