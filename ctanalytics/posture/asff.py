"""Findings in the AWS Security Finding Format, as `aws securityhub batch-import-findings` takes them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final

from ctanalytics.posture.catalogue import About, about
from ctanalytics.records.posture import Finding

BATCH: Final = 100
"""Findings that one call of BatchImportFindings takes."""

_SEVERITIES: Final = {
    "info": "INFORMATIONAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "critical": "CRITICAL",
}
_STATUSES: Final = {"pass": "PASSED", "fail": "FAILED", "unknown": "NOT_AVAILABLE"}
_TYPE: Final = "Software and Configuration Checks/AWS Security Best Practices"
_RESOURCES: Final = {
    "trail": "AwsCloudTrailTrail",
    "bucket": "AwsS3Bucket",
    "lake bucket": "AwsS3Bucket",
    "key": "AwsKmsKey",
    "alarm": "AwsCloudWatchAlarm",
    "topic": "AwsSnsTopic",
    "account": "AwsAccount",
}


def finding(one: Finding, *, product_region: str) -> dict[str, Any]:
    """Return one finding.

    Args:
        product_region: where it is to be imported; the default product's ARN names it.
    """
    words = about()[one.check_id]
    partition = one.resource.split(":")[1] if one.resource.count(":") else "aws"
    at = _moment(one.audited_at)
    where = one.aws_region or product_region
    return {
        "SchemaVersion": "2018-10-08",
        "Id": f"ctanalytics/{one.finding_id}",
        "ProductArn": (
            f"arn:{partition}:securityhub:{product_region}:{one.account_id}:"
            f"product/{one.account_id}/default"
        ),
        "ProductName": "ctanalytics",
        "GeneratorId": f"ctanalytics/{one.check_id}",
        "AwsAccountId": one.account_id,
        "Types": [_TYPE],
        "CreatedAt": at,
        "UpdatedAt": at,
        "Severity": {
            "Label": _SEVERITIES[one.severity] if one.status != "pass" else "INFORMATIONAL"
        },
        "Title": one.title[:256],
        "Description": one.explanation[:1024],
        "Remediation": {"Recommendation": {"Text": (one.remedy_cli or words.why)[:512]}},
        "ProductFields": _fields(one),
        "Resources": [
            {
                "Type": _RESOURCES.get(words.subject, "Other"),
                "Id": _id(one, words),
                "Partition": partition,
                "Region": where,
            }
        ],
        "Compliance": _compliance(one, words),
        "RecordState": "ARCHIVED" if one.status == "pass" else "ACTIVE",
    }


def _compliance(one: Finding, words: About) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Status": _STATUSES[one.status],
        "RelatedRequirements": [
            f"CIS AWS Foundations Benchmark v{version}/{number}"
            for version, number in words.cis_by_version().items()
        ][:32],
    }
    if one.status == "unknown":
        found["StatusReasons"] = [
            {
                "ReasonCode": "ACCESS_DENIED" if one.missing else "NOT_READ",
                "Description": one.explanation[:2048],
            }
        ]
    return found


def _fields(one: Finding) -> dict[str, str]:
    """What ASFF has no place for; values that are empty are refused."""
    found = {
        "ctanalytics/check": one.check_id,
        "ctanalytics/evidence": json.dumps(dict(one.evidence), sort_keys=True, default=str)[:2048],
        "ctanalytics/missing": ", ".join(one.missing)[:2048],
    }
    return {name: value for name, value in found.items() if value}


def _id(one: Finding, words: About) -> str:
    return f"AWS::::Account:{one.account_id}" if words.subject == "account" else one.resource


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
