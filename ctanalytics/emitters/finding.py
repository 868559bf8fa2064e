"""An alert as a Detection Finding of OCSF 1.5.0, class 2004, with the profile cloud."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from ctanalytics._version import __version__
from ctanalytics.emitters.base import Account, Alert
from ctanalytics.emitters.document import pointer

OCSF_VERSION: Final = "1.5.0"
_CLASS: Final = 2004
_POINTS: Final = 600
_ACTIVITIES: Final = {1: "Create", 2: "Update", 3: "Close"}
_SEVERITIES: Final = {"info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
_SEVERITY_NAMES: Final = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
_STATUS_NAMES: Final = {1: "New", 2: "In Progress", 4: "Resolved"}
_ANALYTICS: Final = {"sigma": (1, "Rule"), "isolation_forest": (4, "Learning (ML/DL)")}
_STATISTICAL: Final = (3, "Statistical")


def finding(alert: Alert) -> dict[str, Any]:
    """Return an alert as OCSF; `metadata.uid` is the alert's id, `finding_info.uid` the anomaly's."""
    activity = _activity(alert)
    severity = _SEVERITIES[alert.severity]
    status = 4 if alert.state == "withdrawn" or _because(alert) in ("withdrawn", "merged") else 1
    found = {
        "activity_id": activity,
        "activity_name": _ACTIVITIES[activity],
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Detection Finding",
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"Detection Finding: {_ACTIVITIES[activity]}",
        "time": _millis(alert.detected_at),
        "start_time": _millis(alert.started_at),
        "end_time": _millis(alert.ended_at),
        "severity_id": severity,
        "severity": _SEVERITY_NAMES[severity],
        "status_id": status,
        "status": _STATUS_NAMES[status],
        "is_alert": alert.kind not in ("summary", "test"),
        "message": alert.title,
        "metadata": _metadata(alert),
        "cloud": _cloud(alert),
        "finding_info": _finding_info(alert),
        "resources": [{"uid": arn, "type": "principal"} for arn in _principals(alert)] or None,
        "evidences": _evidences(alert),
        "anomaly_analyses": _analyses(alert),
        "unmapped": _unmapped(alert),
    }
    return _present(found)


def _activity(alert: Alert) -> int:
    if alert.state in ("closed", "withdrawn") and alert.is_update:
        return 3
    return 2 if alert.is_update else 1


def _because(alert: Alert) -> str | None:
    return (alert.incident or {}).get("closed_because")


def _metadata(alert: Alert) -> dict[str, Any]:
    return {
        "version": OCSF_VERSION,
        "profiles": ["cloud"],
        "uid": alert.alert_id,
        "event_code": alert.kind,
        "product": {"name": "ctanalytics", "vendor_name": "ctanalytics", "version": __version__},
    }


def _cloud(alert: Alert) -> dict[str, Any]:
    account = alert.account
    return {
        "provider": "AWS",
        "region": alert.aws_region,
        "account": _account(account) if account else None,
    }


def _account(account: Account) -> dict[str, Any]:
    return {
        "uid": account.account_id,
        "name": account.account_name,
        "type_id": 10,
        "type": "AWS Account",
    }


def _finding_info(alert: Alert) -> dict[str, Any]:
    number, name = _ANALYTICS.get(alert.detector, _STATISTICAL)
    if alert.incident is not None or alert.kind in ("summary", "test"):
        number, name = 99, "Other"
    ids = alert.evidence.get("event_ids")
    return {
        "uid": alert.anomaly_id,
        "title": alert.title,
        "desc": alert.explanation,
        "types": list((alert.incident or {}).get("kinds") or (alert.kind,)),
        "created_time": _millis(alert.detected_at),
        "first_seen_time": _millis(alert.started_at),
        "last_seen_time": _millis(alert.ended_at),
        "data_sources": ["AWS CloudTrail"],
        "analytic": {"name": "+".join(alert.detectors), "type_id": number, "type": name},
        "attacks": _attacks(alert),
        "related_events": [{"uid": str(one)} for one in ids] if isinstance(ids, list) else None,
    }


def _attacks(alert: Alert) -> list[dict[str, Any]] | None:
    """Tactics and techniques of ATT&CK."""
    incident = alert.incident or {}
    techniques = incident.get("techniques") or alert.evidence.get("techniques") or ()
    tactics = incident.get("tactics") or ()
    found: list[dict[str, Any]] = [{"technique": {"uid": str(one)}} for one in techniques]
    found += [{"tactic": {"name": str(one).replace("_", " ").title()}} for one in tactics]
    return found or None


def _principals(alert: Alert) -> list[str]:
    arns = [alert.principal_arn] if alert.principal_arn else []
    return arns + [
        arn for arn in (alert.incident or {}).get("principal_arns") or () if arn not in arns
    ]


def _evidences(alert: Alert) -> list[dict[str, Any]] | None:
    """Who called what; OCSF wants at least one of the two."""
    found: dict[str, Any] = {}
    if alert.principal_arn:
        found["actor"] = {"user": {"uid": alert.principal_arn}}
    if alert.event_name:
        found["api"] = {
            "operation": alert.event_name,
            "service": {"name": alert.event_source} if alert.event_source else None,
            "response": {"error": alert.error_code} if alert.error_code else None,
        }
    return [found] if found else None


def _analyses(alert: Alert) -> list[dict[str, Any]] | None:
    """What was observed beside what was expected, minute by minute."""
    rate = alert.evidence.get("rate")
    if not isinstance(rate, Mapping) or not isinstance(rate.get("points"), list):
        return None
    points = [point for point in rate["points"][:_POINTS] if isinstance(point, list)]
    points = [point for point in points if len(point) == 3]
    if not points:
        return None
    target = ":".join(name for name in (alert.event_source, alert.event_name) if name)
    unit = str(rate.get("unit", "calls per minute"))
    return [
        {
            "analysis_targets": [{"name": target or "events", "type": "API"}],
            "anomalies": [_series(unit, points, 1)],
            "baselines": [_series(unit, points, 2)],
        }
    ]


def _series(unit: str, points: Sequence[Sequence[Any]], place: int) -> dict[str, Any]:
    values = [point[place] for point in points]
    return {
        "observation_parameter": unit,
        "observations": [{"value": "" if value is None else str(value)} for value in values],
    }


def _unmapped(alert: Alert) -> dict[str, Any]:
    """What has no place in OCSF."""
    evidence = alert.evidence
    return _present(
        {
            "state": alert.state,
            "revision": alert.revision,
            "detector": alert.detector,
            "score": alert.score,
            "p_value": alert.p_value,
            "events": evidence.get("events"),
            "sql": evidence.get("sql"),
            "accounts": [_account(account) for account in alert.accounts] or None,
            "anomaly_ids": list((alert.incident or {}).get("anomaly_ids") or ()) or None,
            "alert_ids": evidence.get("alert_ids"),
            "more": pointer(alert),
        }
    )


def _present(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same data without what is not there."""
    return {name: _filled(value) for name, value in data.items() if value is not None}


def _filled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _present(value)
    return [_filled(inner) for inner in value] if isinstance(value, list) else value


def _millis(time: dt.datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1_000)


_TEXT: Final = pa.string()
_NAMED: Final = pa.struct([("uid", _TEXT), ("name", _TEXT)])
_SERIES: Final = pa.list_(
    pa.struct(
        [
            ("observation_parameter", _TEXT),
            ("observations", pa.list_(pa.struct([("value", _TEXT)]))),
        ]
    )
)

ARROW: Final = pa.schema(
    [
        ("activity_id", pa.int32()),
        ("activity_name", _TEXT),
        ("category_uid", pa.int32()),
        ("category_name", _TEXT),
        ("class_uid", pa.int32()),
        ("class_name", _TEXT),
        ("type_uid", pa.int64()),
        ("type_name", _TEXT),
        ("time", pa.int64()),
        ("start_time", pa.int64()),
        ("end_time", pa.int64()),
        ("severity_id", pa.int32()),
        ("severity", _TEXT),
        ("status_id", pa.int32()),
        ("status", _TEXT),
        ("is_alert", pa.bool_()),
        ("message", _TEXT),
        (
            "metadata",
            pa.struct(
                [
                    ("version", _TEXT),
                    ("profiles", pa.list_(_TEXT)),
                    ("uid", _TEXT),
                    ("event_code", _TEXT),
                    (
                        "product",
                        pa.struct([("name", _TEXT), ("vendor_name", _TEXT), ("version", _TEXT)]),
                    ),
                ]
            ),
        ),
        (
            "cloud",
            pa.struct(
                [
                    ("provider", _TEXT),
                    ("region", _TEXT),
                    (
                        "account",
                        pa.struct(
                            [
                                ("uid", _TEXT),
                                ("name", _TEXT),
                                ("type_id", pa.int32()),
                                ("type", _TEXT),
                            ]
                        ),
                    ),
                ]
            ),
        ),
        (
            "finding_info",
            pa.struct(
                [
                    ("uid", _TEXT),
                    ("title", _TEXT),
                    ("desc", _TEXT),
                    ("types", pa.list_(_TEXT)),
                    ("created_time", pa.int64()),
                    ("first_seen_time", pa.int64()),
                    ("last_seen_time", pa.int64()),
                    ("data_sources", pa.list_(_TEXT)),
                    (
                        "analytic",
                        pa.struct([("name", _TEXT), ("type_id", pa.int32()), ("type", _TEXT)]),
                    ),
                    (
                        "attacks",
                        pa.list_(pa.struct([("technique", _NAMED), ("tactic", _NAMED)])),
                    ),
                    ("related_events", pa.list_(pa.struct([("uid", _TEXT)]))),
                ]
            ),
        ),
        ("resources", pa.list_(pa.struct([("uid", _TEXT), ("type", _TEXT)]))),
        (
            "evidences",
            pa.list_(
                pa.struct(
                    [
                        ("actor", pa.struct([("user", pa.struct([("uid", _TEXT)]))])),
                        (
                            "api",
                            pa.struct(
                                [
                                    ("operation", _TEXT),
                                    ("service", pa.struct([("name", _TEXT)])),
                                    ("response", pa.struct([("error", _TEXT)])),
                                ]
                            ),
                        ),
                    ]
                )
            ),
        ),
        (
            "anomaly_analyses",
            pa.list_(
                pa.struct(
                    [
                        (
                            "analysis_targets",
                            pa.list_(pa.struct([("name", _TEXT), ("type", _TEXT)])),
                        ),
                        ("anomalies", _SERIES),
                        ("baselines", _SERIES),
                    ]
                )
            ),
        ),
        ("unmapped", _TEXT),
    ]
)
"""The columns of a Parquet file of findings; `unmapped` is JSON text there."""
