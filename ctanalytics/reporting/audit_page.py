"""The page of an audit: self-contained, no script, no network, every value escaped."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ctanalytics import untrusted
from ctanalytics._version import __version__
from ctanalytics.findings import severity_rank
from ctanalytics.records.posture import STATUSES, Finding
from ctanalytics.reporting.page import page
from ctanalytics.reporting.series import clock

_EVIDENCE_CHARACTERS: Final = 4_000


@dataclass(frozen=True, slots=True)
class CheckText:
    """What a page says of a check beside its findings."""

    why: str
    names: tuple[str, ...]
    """What others call it: CIS 3.1, CloudTrail.1."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """All that a page shows."""

    audited_at: dt.datetime
    accounts: Sequence[str]
    findings: Sequence[Finding]
    """The gravest first."""
    recorded: Sequence[Mapping[str, str]]
    unreached: Sequence[tuple[str, str]]
    """Accounts that were not audited, and why."""
    not_run: Mapping[str, str]
    checks: Mapping[str, CheckText]


def html(found: AuditPage) -> str:
    """Render the page."""
    return page(
        "audit.html.j2",
        ("report.css", "audit.css"),
        filters={"clock": clock, "evidence": _evidence},
        page=found,
        headline=headline(found.findings),
        groups=_groups(found.findings),
        passed=[one for one in found.findings if one.status == "pass"],
        counts=Counter(one.status for one in found.findings),
        statuses=STATUSES,
        version=__version__,
    )


def headline(findings: Sequence[Finding]) -> str:
    """Say in one sentence what an audit found."""
    failing = [one for one in findings if one.status == "fail"]
    unknown = sum(one.status == "unknown" for one in findings)
    tail = f"; {unknown} could not be told" if unknown else ""
    if not failing:
        return f"Nothing that could be read fails{tail}." if findings else "Nothing was audited."
    by_severity = Counter(one.severity for one in failing)
    kinds = ", ".join(
        f"{by_severity[severity]} {severity}"
        for severity in sorted(by_severity, key=severity_rank, reverse=True)
    )
    things = "finding fails" if len(failing) == 1 else "findings fail"
    return f"{len(failing)} {things}: {kinds}{tail}."


def _groups(findings: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Findings that do not pass, by check and status, each group with its first."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for one in findings:
        if one.status != "pass":
            groups.setdefault((one.status, one.severity, one.check_id), []).append(one)
    return [(rows[0], rows) for rows in groups.values()]


def _evidence(one: Finding) -> str:
    """Evidence as text; empty when there is none."""
    if not one.evidence:
        return ""
    text = json.dumps(one.evidence, indent=1, sort_keys=True, default=str)
    return untrusted.terminal(text, limit=_EVIDENCE_CHARACTERS)
