"""Incidents lead the report; what is new in a span is told against the days before it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import render
from ctanalytics.reporting.document import Document
from tests import builders
from tests.reporting import scene

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
SURGE = scene.anomaly(scene.SINCE + 30 * HOUR, series_key="a", severity="medium", score=4.0)
STEALTH = scene.anomaly(scene.SINCE + 31 * HOUR, series_key="b", title="dora opened a door")
EARLIER = scene.anomaly(scene.SINCE - 40 * HOUR, series_key="c")


def call(time: dt.datetime, number: int, **columns: Any) -> dict[str, Any]:
    return builders.event(time, event_id=f"n{number}", **columns)


def history() -> list[dict[str, Any]]:
    """An account with a past, and one that is new in the span; each does new things in it."""
    new_account = {"account_id": "444455556666", "principal_arn": scene.ROLE}
    return [
        call(scene.SINCE - 3 * DAY, 1),
        call(scene.SINCE - HOUR, 2, event_name="RunInstances"),
        call(scene.SINCE + HOUR, 3),
        call(scene.SINCE + 2 * HOUR, 4, event_name="CreateUser", event_source="iam.amazonaws.com"),
        call(scene.SINCE + 3 * HOUR, 5, event_name="CreateUser", event_source="iam.amazonaws.com"),
        call(scene.SINCE + 4 * HOUR, 6, principal_arn=f"{scene.DORA}2", aws_region="ap-south-1"),
        call(scene.SINCE + 5 * HOUR, 7, **new_account),
        call(scene.SINCE + 5 * HOUR, 8, event_name="RunInstances", **new_account),
        call(scene.UNTIL, 9, event_name="AfterTheSpan"),
    ]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    incidents = [
        scene.incident(SURGE, severity="medium", title="a surge"),
        scene.incident(STEALTH, SURGE, severity="high", title="dora took over", score=12.0),
        scene.incident(SURGE, incident_id="w", closed_because="withdrawn", state="closed"),
        scene.incident(SURGE, incident_id="s", superseded_by="x", state="closed"),
        scene.incident(EARLIER, title="over before", ended_at=scene.SINCE - HOUR, state="closed"),
    ]
    tables = {"anomalies": [SURGE, STEALTH, EARLIER], "incidents": incidents}
    folder = tmp_path_factory.mktemp("lake")
    with scene.engine(folder, events=history(), **tables) as found:
        yield found


@pytest.fixture(scope="module")
def document(engine: Engine) -> Document:
    return scene.document(engine)


def test_incidents_of_the_span_come_the_gravest_first_and_lead(document: Document) -> None:
    assert [found.title for found in document.incidents] == ["dora took over", "a surge"]
    assert document.headline == "2 incidents, the gravest high: dora took over."
    assert document.further_incidents == 0


def test_an_incident_points_to_its_anomalies(document: Document) -> None:
    grave = document.incidents[0]
    titles = {entry.anomaly_id: place for place, entry in enumerate(document.entries, start=1)}
    assert [member.title for member in grave.members] == [SURGE["title"], STEALTH["title"]]
    assert [member.place for member in grave.members] == [
        titles[SURGE["anomaly_id"]],
        titles[STEALTH["anomaly_id"]],
    ]
    assert grave.accounts == ("shop-prod (111122223333)",)
    page = render.html(document)
    for member in grave.members:
        assert f'<a href="#anomaly-{member.place}"><bdi>{member.title}</bdi></a>' in page
    for form in (page, render.text(document)):
        assert "See whether backups are whole" in form
        assert "impact" in form


def test_what_is_new_is_told_against_the_days_before(document: Document) -> None:
    section = next(found for found in document.sections if found.name == "first_seen")
    (table,) = section.tables
    told = [(row["what"], row["account_id"], row["subject"], row["calls"]) for row in table.rows]
    home = "111122223333"
    assert told == [
        ("account", "444455556666", "444455556666", 2),
        ("region", home, "ap-south-1", 1),
        ("principal", home, f"{scene.DORA}2", 1),
        ("API", home, "iam.amazonaws.com CreateUser", 2),
    ]
    assert table.rows[3]["first_by"] == scene.DORA
    assert "the 3 days before this span" in section.sentences[0]


def test_without_days_before_the_span_nothing_is_called_new(tmp_path: Path) -> None:
    with scene.engine(tmp_path, events=scene.calls()) as engine:
        document = scene.document(engine)
    section = next(found for found in document.sections if found.name == "first_seen")
    assert not section.tables
    assert "no days before this span" in section.sentences[0]
