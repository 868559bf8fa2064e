"""The page of an audit: self-contained, no script, no network, every value escaped."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import jinja2
from markupsafe import Markup

from ctanalytics import untrusted
from ctanalytics._version import __version__
from ctanalytics.findings import severity_rank
from ctanalytics.records.posture import STATUSES, Finding
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


def html(page: AuditPage) -> str:
    """Render the page."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ctanalytics.reporting"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_harmless,
    )
    environment.filters.update(clock=clock, evidence=_evidence)
    return environment.get_template("audit.html.j2").render(
        page=page,
        headline=headline(page.findings),
        groups=_groups(page.findings),
        passed=[one for one in page.findings if one.status == "pass"],
        counts=Counter(one.status for one in page.findings),
        statuses=STATUSES,
        version=__version__,
        style=Markup(style),  # noqa: S704 - files of ours
        style_hash=digest,
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


def _harmless(value: Any) -> Any:
    """Make control and bidi characters visible in every value; Jinja escapes it afterwards."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return untrusted.terminal(value)
    return value


def _style() -> str:
    folder = resources.files("ctanalytics.reporting").joinpath("templates")
    return "".join(folder.joinpath(name).read_text("utf-8") for name in ("report.css", "audit.css"))
