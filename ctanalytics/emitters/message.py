"""An anomaly in words, for mail and chat: nothing in it can forge a line or a control character.

Names of principals, user agents and error messages are written by whoever makes the calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.emitters.base import Alert, moment, plain

SUBJECT_CHARACTERS: Final = 99  # SNS: fewer than 100
SCHEMA: Final = "1"
_RULE: Final = "-" * 60


def ascii_line(text: str, limit: int) -> str:
    """Turn text into printable ASCII on one line; what is cut off ends in three dots."""
    shown = untrusted.one_line(text, limit=10 * limit)
    shown = shown.encode("ascii", "backslashreplace").decode("ascii")
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def subject(alert: Alert) -> str:
    """Return the subject of a mail: severity, what became of it, title."""
    again = "" if alert.state == "open" and not alert.is_update else f" {alert.state}"
    return ascii_line(f"[{alert.severity.upper()}]{again} {alert.title}", SUBJECT_CHARACTERS)


def body(alert: Alert, max_bytes: int) -> str:
    """Return readable text, then the anomaly as one JSON object, within a size.

    What is too large is shortened step by step: first the insight, then the event ids and SQL,
    at last the sentences; a pointer tells where the rest is.
    """
    shown = ""
    for shown in _shorter_and_shorter(alert):
        if len(shown.encode()) <= max_bytes:
            return shown
    return shown.encode()[:max_bytes].decode("utf-8", "ignore")


def _shorter_and_shorter(alert: Alert) -> Iterator[str]:
    whole = plain(alert)
    # The points of a chart are for a report; in a mail they are thousands of numbers.
    evidence = {name: value for name, value in whole["evidence"].items() if name != "rate"}
    whole["evidence"] = evidence
    yield _text(alert, whole, sentences=2_000, shortened=False)
    yield _text(alert, whole | {"insight": None}, sentences=2_000, shortened=True)
    count = {"events": evidence["events"]} if "events" in evidence else {}
    small = whole | {"insight": None, "evidence": count}
    small |= {"explanation": untrusted.terminal(alert.explanation, limit=500)}
    small |= {"title": untrusted.terminal(alert.title, limit=200)}
    yield _text(alert, small, sentences=500, shortened=True, sql=False)
    ids = {"anomaly_id": alert.anomaly_id, "state": alert.state, "revision": alert.revision}
    yield _text(alert, ids, sentences=100, shortened=True, sql=False)


def _text(
    alert: Alert, data: dict[str, Any], *, sentences: int, shortened: bool, sql: bool = True
) -> str:
    lines = [
        untrusted.one_line(alert.title, limit=sentences),
        "",
        untrusted.one_line(alert.explanation, limit=sentences),
        "",
        *(f"{name:<12}{untrusted.one_line(value)}" for name, value in _facts(alert) if value),
        "",
    ]
    statement = alert.evidence.get("sql")
    if sql and isinstance(statement, str):
        lines += ["All of its events:", *_indented(statement), ""]
    if shortened:
        lines += ["This message is shortened.", ""]
    lines += ["The anomaly with all its evidence is in the lake:", *_indented(_pointer(alert)), ""]
    lines += [_RULE, json.dumps(data | {"schema": SCHEMA})]
    return "\n".join(lines)


def _facts(alert: Alert) -> Iterator[tuple[str, Any]]:
    yield "severity", alert.severity
    yield "state", alert.state
    yield "detector", f"{alert.detector} ({alert.kind}), score {alert.score:.1f}"
    yield "account", alert.account_id
    yield "region", alert.aws_region
    yield "API", " ".join(name for name in (alert.event_source, alert.event_name) if name)
    yield "error", alert.error_code
    yield "principal", alert.principal_arn
    yield "from", moment(alert.started_at)
    yield "to", moment(alert.ended_at) if alert.ended_at else "still going on"
    yield "events", alert.evidence.get("events")
    yield "anomaly", f"{alert.anomaly_id}, revision {alert.revision}"


def _indented(text: str) -> list[str]:
    # Indented, so that a line break inside a name can't begin a line that looks like ours.
    return [f"    {untrusted.one_line(line, limit=2_000)}" for line in text.splitlines()]


def _pointer(alert: Alert) -> str:
    identity = untrusted.sql_text(alert.anomaly_id.replace("\x00", ""))
    return f'ctanalytics query "select * from lake.anomalies where anomaly_id = {identity}"'
