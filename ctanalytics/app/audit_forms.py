"""The result of an audit in the forms that people and programs take."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

from ctanalytics import whole
from ctanalytics.app.audit import AuditResult
from ctanalytics.errors import UsageError
from ctanalytics.posture import asff as security_hub
from ctanalytics.posture import ocsf as open_schema
from ctanalytics.posture.catalogue import about
from ctanalytics.records.posture import Finding
from ctanalytics.reporting import audit_page


def json_text(result: AuditResult) -> str:
    """All of it, in ASCII."""
    found: dict[str, Any] = {
        "audit_id": result.audit_id,
        "audited_at": _iso(result.audited_at),
        "accounts": result.accounts,
        "counts": result.counts,
        "findings": [_row(one) for one in result.findings],
        "recorded": result.recorded,
        "not_run": result.not_run,
        "unreached": [dataclasses.asdict(one) for one in result.unreached],
    }
    return json.dumps(found, indent=2, default=str) + "\n"


def _row(one: Finding) -> dict[str, Any]:
    words = about()[one.check_id]
    return {
        **dataclasses.asdict(one),
        "finding_id": one.finding_id,
        "audited_at": _iso(one.audited_at),
        "why": words.why,
        "subject": words.subject,
        "cis": words.cis_by_version(),
        "security_hub": list(words.security_hub),
        "prowler": list(words.prowler),
    }


def ocsf(result: AuditResult) -> str:
    """OCSF Compliance Findings, one JSON object a line."""
    return "".join(json.dumps(open_schema.finding(one)) + "\n" for one in result.findings)


def asff(result: AuditResult, *, region: str) -> str:
    """A JSON list for `aws securityhub batch-import-findings --findings`."""
    where = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    home = where or next((one.aws_region for one in result.findings if one.aws_region), "")
    if not home:
        raise UsageError(
            "no region is known to import the findings in",
            where="--format asff",
            mend="give --region",
        )
    rows = [security_hub.finding(one, product_region=home) for one in result.findings]
    return json.dumps(rows, indent=1) + "\n"


def html(result: AuditResult) -> str:
    """One self-contained page."""
    return audit_page.html(
        audit_page.AuditPage(
            audited_at=result.audited_at,
            accounts=result.accounts,
            findings=result.findings,
            recorded=result.recorded,
            unreached=[(one.account_id, one.why) for one in result.unreached],
            not_run=result.not_run,
            checks={
                name: audit_page.CheckText(words.why, _names(name))
                for name, words in about().items()
            },
        )
    )


def _names(check_id: str) -> tuple[str, ...]:
    """What others call a check: the numbers of the benchmark, Security Hub, Prowler."""
    words = about()[check_id]
    numbers: dict[str, list[str]] = {}
    for version, number in words.cis_by_version().items():
        numbers.setdefault(number, []).append(version.removesuffix(".0"))
    cis = tuple(f"CIS {number} (v{', v'.join(versions)})" for number, versions in numbers.items())
    return (*cis, *words.security_hub, *words.prowler)


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole.replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise UsageError(
            f"the file can't be written: {error.strerror or error}",
            where=str(path),
            mend="name another one with --output",
        ) from error


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
