"""What the product promises on the sample: every incident is found, and little else is."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import ctanalytics
from ctanalytics import settings
from ctanalytics.app.incidents.listing import list_incidents

SAMPLE = Path(__file__).parent.parent.parent / "sample_logs"
NOW = dt.datetime(2025, 11, 2, 1, tzinfo=dt.UTC)
SLACK = dt.timedelta(minutes=30)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> ctanalytics.Lake:
    place = tmp_path_factory.mktemp("sample") / "lake"
    ctanalytics.ingest([str(SAMPLE)], str(place), settings=settings.load({"ingest.workers": 1}))
    return ctanalytics.Lake(place)


@pytest.fixture(scope="module")
def found(lake: ctanalytics.Lake) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ctanalytics.detect(lake, now=NOW).anomalies.to_pylist()
    return rows


def incidents() -> list[dict[str, Any]]:
    lines = (SAMPLE / "labels.jsonl").read_text("utf-8").splitlines()
    labels = [json.loads(line) for line in lines]
    return [label for label in labels if label["malicious"]]


def about(anomaly: dict[str, Any], label: dict[str, Any]) -> bool:
    """Whether an anomaly tells of an incident: the same time, and its API or its principal."""
    start, end = (dt.datetime.fromisoformat(label[name]) for name in ("started_at", "ended_at"))
    ended = anomaly["ended_at"] or NOW
    if anomaly["started_at"] > end + SLACK or ended < start - SLACK:
        return False
    name = str(label["principal_arn"]).rpartition("/")[2]
    return str(anomaly["principal_arn"]).endswith(name)


@pytest.mark.parametrize("label", [pytest.param(one, id=one["kind"]) for one in incidents()])
def test_every_incident_is_found(found: list[dict[str, Any]], label: dict[str, Any]) -> None:
    assert [row["detector"] for row in found if about(row, label)]


def test_at_most_one_other_alarm_per_account_and_week(found: list[dict[str, Any]]) -> None:
    labels = incidents()
    others = [row["title"] for row in found if not any(about(row, label) for label in labels)]
    assert len(others) <= 2 * 2, others


def test_a_second_run_adds_nothing(lake: ctanalytics.Lake, found: list[dict[str, Any]]) -> None:
    again = ctanalytics.detect(lake, now=NOW + dt.timedelta(minutes=5))
    assert (again.new, again.updated, again.withdrawn) == (0, 0, 0)
    assert len(again.anomalies) == len(found)


def test_every_explanation_is_a_sentence_and_every_evidence_lists_its_events(
    lake: ctanalytics.Lake, found: list[dict[str, Any]]
) -> None:
    with lake.engine(locked=True) as engine:
        for row in found:
            assert row["explanation"].endswith(".")
            evidence = json.loads(row["evidence"])
            listed: pa.Table = engine.query(evidence["sql"])
            assert listed.num_rows == evidence["events"]
            assert set(evidence["event_ids"]) <= set(listed["event_id"].to_pylist())


def test_anomalies_of_every_detector_explain_themselves(
    lake: ctanalytics.Lake, found: list[dict[str, Any]]
) -> None:
    for row in {row["detector"]: row for row in found}.values():
        told = ctanalytics.explain(row["anomaly_id"][:12], lake, events=5)
        assert told.anomaly["explanation"] == row["explanation"]
        assert told.facts
        assert len(told.events) == min(5, told.event_count)
        assert told.notes == []


def test_an_attack_that_trips_many_detectors_is_one_incident(
    lake: ctanalytics.Lake, found: list[dict[str, Any]]
) -> None:
    assert found
    ctanalytics.detect(lake, now=NOW, detectors=["sigma"])
    ctanalytics.build_incidents(lake, now=NOW)
    rows = list_incidents(lake, severity="medium")
    tripped = []
    for label in incidents():
        name = f"/{str(label['principal_arn']).rpartition('/')[2]}"
        mine = [
            row
            for row in rows
            if row["started_at"] <= dt.datetime.fromisoformat(label["ended_at"]) + SLACK
            and (row["ended_at"] or NOW) >= dt.datetime.fromisoformat(label["started_at"]) - SLACK
            and any(arn.endswith(name) for arn in row["principal_arns"])
        ]
        assert len(mine) == 1, label["kind"]
        tripped.append(len(mine[0]["detectors"]))
    assert max(tripped) >= 4
    assert ctanalytics.build_incidents(lake, now=NOW).anomalies == 0
