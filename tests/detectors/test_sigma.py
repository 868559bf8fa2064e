"""Rules' matches as alerts: grouped, as loud as they deserve, quietened by exceptions."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from ctanalytics import settings
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.sigma import sigma
from ctanalytics.engines.local import LocalExecutor
from tests import builders

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
STOP = {"event_source": "cloudtrail.amazonaws.com", "event_name": "StopLogging", "read_only": False}


def detected(folder: Path, events: list[dict[str, Any]], **rules: Any) -> DetectorResult:
    with builders.engine(folder, events=events) as engine:
        context = Context(
            engine,
            LocalExecutor(1),
            settings.Detect(),
            START + dt.timedelta(days=3),
            settings.Rules(**rules),
        )
        return sigma(context, Window(START, START + dt.timedelta(days=2)))


def stops(*hours: float, **columns: Any) -> list[dict[str, Any]]:
    return [builders.event(START + dt.timedelta(hours=one), **STOP, **columns) for one in hours]


def of_rule(result: DetectorResult) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = result.anomalies.to_pylist()
    return [row for row in rows if row["title"].startswith("Trail logging stopped")]


def test_matches_of_a_principal_and_day_are_one_alert(tmp_path: Path) -> None:
    rows = of_rule(detected(tmp_path, stops(1, 2, 30)))
    assert [json.loads(row["evidence"])["events"] for row in rows] == [2, 1]
    assert {row["severity"] for row in rows} == {"critical"}
    assert {row["kind"] for row in rows} == {"rule"}


def test_attempts_that_were_all_refused_are_medium_at_most(tmp_path: Path) -> None:
    (row,) = of_rule(detected(tmp_path, stops(1, error_code="AccessDenied")))
    assert row["severity"] == "medium"


def test_an_exception_silences_and_is_counted(tmp_path: Path) -> None:
    exception = settings.RuleException(
        rule="tampering/trail_stopped", reason="drill", principal="arn:aws:iam::*:user/dora"
    )
    result = detected(tmp_path, stops(1, 2), exceptions=[exception])
    assert of_rule(result) == []
    assert any("2 matches" in note and "drill" in note for note in result.notes)


def test_an_exception_ends(tmp_path: Path) -> None:
    exception = settings.RuleException(
        rule="tampering/trail_stopped", reason="drill", until="2026-03-01T02:00:00Z"
    )
    (row,) = of_rule(detected(tmp_path, stops(1, 3), exceptions=[exception]))
    assert json.loads(row["evidence"])["events"] == 1


def test_a_threshold_keeps_few_matches_quiet(tmp_path: Path) -> None:
    result = detected(tmp_path, stops(1, 2), thresholds={"tampering/trail_stopped": 3})
    assert of_rule(result) == []


def test_the_evidence_lists_its_events(tmp_path: Path) -> None:
    events = stops(1, 2)
    (row,) = of_rule(detected(tmp_path, events))
    evidence = json.loads(row["evidence"])
    with builders.engine(tmp_path, events=events) as engine:
        listed = engine.query(evidence["sql"])["event_id"].to_pylist()
    assert set(evidence["event_ids"]) == set(listed) == {one["event_id"] for one in events}
