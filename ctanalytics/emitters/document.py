"""An alert as JSON-able data, and the same within a size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.emitters.base import Alert, moment

SCHEMA: Final = "1"
"""Of the documents: a field that changes its meaning changes this."""


def plain(alert: Alert) -> dict[str, Any]:
    """Return an alert as JSON-able data, the evidence and insight as objects."""
    account = alert.account
    return {
        "alert_id": alert.alert_id,
        "incident_id" if alert.incident is not None else "anomaly_id": alert.anomaly_id,
        "state": alert.state,
        "revision": alert.revision,
        "detector": alert.detector,
        "kind": alert.kind,
        "severity": alert.severity,
        "score": alert.score,
        "p_value": alert.p_value,
        "started_at": moment(alert.started_at),
        "ended_at": moment(alert.ended_at) if alert.ended_at else None,
        "account_id": alert.account_id,
        "account_name": account.account_name if account else None,
        "environment": account.environment if account else None,
        "aws_region": alert.aws_region,
        "event_source": alert.event_source,
        "event_name": alert.event_name,
        "error_code": alert.error_code,
        "principal_arn": alert.principal_arn,
        "title": alert.title,
        "explanation": alert.explanation,
        "evidence": dict(alert.evidence),
        "insight": alert.insight,
        "incident": _timed(alert.incident),
        "detected_at": moment(alert.detected_at),
        "schema": SCHEMA,
    }


def _timed(incident: Any) -> dict[str, Any] | None:
    if incident is None:
        return None
    return {
        name: moment(value) if hasattr(value, "astimezone") else value
        for name, value in incident.items()
    }


def without_chart(alert: Alert) -> dict[str, Any]:
    """As `plain`, without the points of a chart: thousands of numbers that only a report draws."""
    whole = plain(alert)
    whole["evidence"] = {key: value for key, value in whole["evidence"].items() if key != "rate"}
    return whole


def shorter(alert: Alert) -> Iterator[dict[str, Any]]:
    """Yield the alert's data, each time with less of it; the ids stay to the end."""
    whole = without_chart(alert)
    yield whole
    cut = whole | {"insight": None, "shortened": True}
    yield cut
    events = whole["evidence"].get("events")
    cut |= {
        "evidence": {} if events is None else {"events": events},
        "explanation": untrusted.terminal(alert.explanation, limit=500),
        "title": untrusted.terminal(alert.title, limit=200),
    }
    if alert.incident is not None:
        cut["incident"] = {"anomalies": len(alert.incident.get("anomaly_ids") or ())}
    yield cut
    names = ("alert_id", "anomaly_id", "incident_id", "state", "revision", "severity", "schema")
    yield {name: cut[name] for name in names if name in cut} | {"shortened": True}


def fitting(alert: Alert, max_bytes: int) -> str:
    """Return the alert as one JSON object within a size; what is cut off is marked `shortened`."""
    text = ""
    for data in shorter(alert):
        text = json.dumps(data | {"more": pointer(alert)} if "shortened" in data else data)
        if len(text) <= max_bytes:
            break
    return text


def pointer(alert: Alert) -> str:
    """Return the command that shows all there is about an alert in the lake."""
    if alert.incident is not None:
        return f"ctanalytics incidents show {untrusted.file_name(alert.anomaly_id)}"
    identity = untrusted.sql_text(alert.anomaly_id.replace("\x00", ""))
    return f'ctanalytics query "select * from lake.anomalies where anomaly_id = {identity}"'
