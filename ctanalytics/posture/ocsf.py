"""Findings as OCSF Compliance Findings (class 2003), schema version 1.3.0 with the cloud profile."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from ctanalytics._version import __version__
from ctanalytics.posture.catalogue import About, about
from ctanalytics.records.posture import Finding

VERSION: Final = "1.3.0"
_SEVERITIES: Final = {"info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
_NAMES: Final = {"info": "Informational"}
_STATUSES: Final = {
    "pass": (1, "Pass"),
    "unknown": (2, "Warning"),  # "did not yield a result due to missing information"
    "fail": (3, "Fail"),
}


def finding(one: Finding) -> dict[str, Any]:
    """Return one finding."""
    words = about()[one.check_id]
    status_id, status = _STATUSES[one.status]
    resource: dict[str, Any] = {"uid": one.resource, "type": words.subject}
    if one.aws_region:
        resource["region"] = one.aws_region
    found: dict[str, Any] = {
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2003,
        "class_name": "Compliance Finding",
        "type_uid": 200301,
        "type_name": "Compliance Finding: Create",
        "time": _milliseconds(one.audited_at),
        "severity_id": _SEVERITIES[one.severity],
        "severity": _NAMES.get(one.severity, one.severity.capitalize()),
        "status_id": 4 if one.status == "pass" else 1,
        "status": "Resolved" if one.status == "pass" else "New",
        "message": one.explanation,
        "metadata": {
            "version": VERSION,
            "profiles": ["cloud"],
            "product": {
                "name": "ctanalytics",
                "vendor_name": "ctanalytics",
                "version": __version__,
            },
            "event_code": one.check_id,
        },
        "cloud": {"provider": "AWS", "account": {"uid": one.account_id, "type_id": 10}},
        "finding_info": {
            "uid": one.finding_id,
            "title": one.title,
            "desc": words.why,
            "types": ["Software and Configuration Checks"],
        },
        "compliance": {
            "standards": standards(words),
            "control": one.check_id,
            "requirements": list(words.security_hub),
            "status_id": status_id,
            "status": status,
            "status_detail": one.explanation,
        },
        "resources": [resource],
        "unmapped": {
            "evidence": dict(one.evidence),
            "reads": list(one.reads),
            "missing": list(one.missing),
        },
    }
    if one.aws_region:
        found["cloud"]["region"] = one.aws_region
    if one.remedy_cli:
        found["remediation"] = {"desc": f"{one.remedy_cli}\n\n{one.remedy_cloudformation}"}
    return found


def standards(words: About) -> list[str]:
    """The standards that ask for the same, by name; our own where none does."""
    named = [
        f"CIS AWS Foundations Benchmark {version} {number}"
        for version, number in words.cis_by_version().items()
    ]
    if words.security_hub:
        named.append("AWS Foundational Security Best Practices")
    return named or ["ctanalytics posture"]


def _milliseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)
