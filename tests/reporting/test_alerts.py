"""The report says which alerts got stuck, and what was kept back and why."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from ctanalytics.reporting.document import Document, Section
from tests.reporting import scene

HOUR = dt.timedelta(hours=1)
TOPIC = "sns:arn:aws:sns:eu-west-1:111122223333:alerts"


def told(folder: Path, *outbox: dict[str, Any]) -> Section | None:
    folder.mkdir(exist_ok=True)
    anomalies = [scene.anomaly(severity="high")]
    with scene.engine(folder, anomalies=anomalies, outbox=list(outbox)) as engine:
        document: Document = scene.document(engine)
    return next((found for found in document.sections if found.name == "alerts"), None)


def row(outcome: str, reason: str | None = None, **columns: Any) -> dict[str, Any]:
    return {
        "anomaly_id": scene.anomaly()["anomaly_id"],
        "state": "closed",
        "revision": 1,
        "target": TOPIC,
        "outcome": outcome,
        "reason": reason,
        "attempts": 1,
        "at": scene.NOW,
    } | columns


def rows(section: Section, name: str) -> list[dict[str, Any]]:
    return [dict(one) for table in section.tables if table.name == name for one in table.rows]


def test_a_dead_letter_is_told_however_old_it_is(tmp_path: Path) -> None:
    long_ago = scene.SINCE - 900 * HOUR
    found = told(tmp_path, row("dead_letter", "InvalidParameter: no", attempts=5, at=long_ago))
    assert found is not None
    assert "emit --retry" in found.sentences[0]
    (stuck,) = rows(found, "undelivered")
    assert (stuck["outcome"], stuck["severity"], stuck["attempts"]) == ("dead letter", "high", 5)
    assert stuck["title"] == scene.anomaly()["title"]
    assert rows(found, "alerts") == []


def test_what_was_kept_back_is_counted_by_reason(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        row("sent"),
        row("suppressed", "told by its incident", anomaly_id="1" * 32),
        row("suppressed", "told by its incident", anomaly_id="2" * 32),
        row("sent", anomaly_id="3" * 32, at=scene.SINCE - HOUR),
    )
    assert found is not None
    assert found.sentences == ("Every alert that was to be sent reached its target.",)
    assert [(one["outcome"], one["alerts"]) for one in rows(found, "alerts")] == [
        ("sent", 1),
        ("suppressed", 2),
    ]
    assert {fact.name: fact.value for fact in found.facts} == {
        "alerts_sent": 1,
        "alerts_suppressed": 2,
        "alerts_undelivered": 0,
    }


def test_what_waits_is_tried_again_and_without_alerts_there_is_no_section(tmp_path: Path) -> None:
    found = told(tmp_path / "a", row("pending", "the target was busy"))
    assert found is not None
    assert "tries again" in found.sentences[0]
    assert told(tmp_path / "b") is None
