from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import sections
from ctanalytics.reporting.anomalies import MAX_CHARTS, MAX_ENTRIES
from ctanalytics.reporting.document import Document, Section, Table
from tests.reporting import scene

HOUR = dt.timedelta(hours=1)


def section(document: Document, name: str) -> Section:
    return next(found for found in document.sections if found.name == name)


def table(document: Document, name: str) -> Table:
    return next(found for part in document.sections for found in part.tables if found.name == name)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    events = scene.calls()
    events += [
        scene.sign_in(scene.SINCE + HOUR, event_id="s1"),
        scene.sign_in(scene.SINCE + HOUR, mfa="No", event_id="s2"),
        scene.sign_in(
            scene.SINCE + 2 * HOUR,
            "Failure",
            user_name="HIDDEN_DUE_TO_SECURITY_REASONS",
            principal_arn=None,
            actor=None,
            event_id="s3",
        ),
        scene.sign_in(
            scene.SINCE + 3 * HOUR,
            identity_type="Root",
            principal_type="root",
            principal_arn="arn:aws:iam::111122223333:root",
            event_id="s4",
        ),
    ]
    # Neither side of the span may count.
    outside = {"event_name": "Outside", "principal_arn": "outside"}
    events += [
        scene.builders.event(scene.SINCE - dt.timedelta(seconds=1), event_id="o1", **outside),
        scene.builders.event(scene.UNTIL, event_id="o2", **outside),
    ]
    with scene.engine(tmp_path_factory.mktemp("lake"), events=events) as found:
        yield found


@pytest.fixture(scope="module")
def document(engine: Engine) -> Document:
    return scene.document(engine)


SPAN = """
    event_date >= date '2026-11-10' and event_date <= date '2026-11-12'
    and event_time >= timestamptz '2026-11-10 00:00:00Z'
    and event_time < timestamptz '2026-11-13 00:00:00Z'
"""


@pytest.mark.parametrize(
    ("fact", "sql"),
    [
        pytest.param("events", "count(*)", id="events"),
        pytest.param("accounts", "count(distinct account_id)", id="accounts"),
        pytest.param(
            "principals", "count(distinct coalesce(principal_arn, actor))", id="principals"
        ),
        pytest.param("apis", "count(distinct event_source || event_name)", id="apis"),
        pytest.param("errors", "count(*) filter (where is_error)", id="errors"),
        pytest.param(
            "denied_calls", "count(*) filter (where error_code = 'AccessDenied')", id="denied"
        ),
    ],
)
def test_headline_figures_are_those_of_plain_sql(
    document: Document, engine: Engine, fact: str, sql: str
) -> None:
    counted = engine.sql(f"select {sql} from events where {SPAN}").column(0)[0].as_py()
    assert {found.name: found.value for found in document.facts}[fact] == counted
    assert counted > 0


def test_table_of_principals_is_that_of_plain_sql(document: Document, engine: Engine) -> None:
    counted = engine.sql(f"""
        select coalesce(principal_arn, actor), account_id, count(*),
            count(*) filter (where not read_only), count(*) filter (where is_error)
        from events where {SPAN} group by 1, 2 order by 3 desc, 2, 1
    """).to_pylist()
    rows = table(document, "users").rows
    names = ("principal", "account_id", "calls", "writes", "errors")
    assert [tuple(row[name] for name in names) for row in rows] == [
        tuple(row.values()) for row in counted
    ]


def test_every_small_chart_adds_up_to_its_rows_calls(document: Document) -> None:
    for name in ("users", "apis", "regions", "accounts"):
        rows = table(document, name).rows
        assert rows
        for row in rows:
            trend = row["trend"]
            assert isinstance(trend, tuple)
            assert sum(trend) == row["calls"], (name, row)


def test_events_outside_the_span_are_not_told(document: Document) -> None:
    assert "Outside" not in {row["event_name"] for row in table(document, "apis").rows}


def test_hours_without_a_call_are_drawn_as_zero(document: Document) -> None:
    figure = section(document, "activity").figures[0]
    assert len(figure.points) == 72
    assert sum(point[1] for point in figure.points) == document.events
    assert [point[0] for point in figure.points[:2]] == [scene.SINCE, scene.SINCE + HOUR]
    assert figure.points[-1][1] == 0


def test_top_cuts_tables_and_says_how_many_there_are(engine: Engine) -> None:
    found = table(scene.document(engine, top=1), "apis")
    assert (len(found.rows), found.found, found.left_out) == (1, 3, 2)


def test_sign_ins_are_told_in_words(document: Document) -> None:
    assert section(document, "sign_ins").sentences == (
        "4 sign-ins: 3 succeeded, 1 failed.",
        "1 sign-in of a root or IAM user without MFA.",
        "The root user signed in 1 time.",
        "In 1 failure the user name does not exist; AWS hides what was typed.",
    )
    assert table(document, "logins").rows[0]["without_mfa"] == 1


def test_an_empty_lake_is_told_honestly(tmp_path: Path) -> None:
    with scene.engine(tmp_path) as engine:
        found = scene.document(engine)
        assert sections.newest_event(engine) is None
    assert found.headline == "The lake has no events of this span."
    assert set(found.severities.values()) == {0}
    assert {part.name: part.sentences[0] for part in found.sections} == {
        "activity": "The lake has no events of this span.",
        "first_seen": "The lake has no days before this span to compare with.",
        "errors": "No call of this span failed.",
        "sign_ins": "Nobody signed in to the console.",
        "insights": "The lake has no Insights events of this span: AWS found none, or they are not on.",
        "set_aside": "The lake has no record of any ingested object.",
        "health": "The lake holds no event with a true time.",
    }
    assert not any(part.tables for part in found.sections)
    assert "detection" not in found.headline
    assert found.notes[0].startswith("The lake has no anomalies at all")


def test_health_counts_the_lag_and_events_without_a_true_time(tmp_path: Path) -> None:
    newest = scene.UNTIL - dt.timedelta(minutes=5)
    events = [
        scene.builders.event(newest, event_id="a"),
        scene.builders.event(
            dt.datetime(2031, 1, 1, tzinfo=dt.UTC),
            event_id="b",
            event_time_status="future",
            event_date=dt.date(1970, 1, 1),
        ),
    ]
    with scene.engine(tmp_path, events=events) as engine:
        health = section(scene.document(engine), "health")
    facts = {fact.name: fact.value for fact in health.facts}
    assert facts["newest_event"] == newest
    assert facts["lag_seconds"] == 125 * 60
    assert facts["events_without_time"] == 1
    assert facts["lake_bytes"] == 123_456
    assert health.sentences == ("The newest event is 2 hours older than this report.",)


class TestAnomalies:
    """What becomes of the rows of `anomalies`."""

    @staticmethod
    def told(tmp_path: Path, rows: list[dict[str, Any]], **tables: Any) -> Document:
        with scene.engine(tmp_path, anomalies=rows, **tables) as engine:
            return scene.document(engine)

    def test_gravest_come_first_then_the_most_abnormal(self, tmp_path: Path) -> None:
        given = [("low", 30.0), ("critical", 5.0), ("high", 7.0), ("high", 8.0), ("info", 99.0)]
        rows = [
            scene.anomaly(series_key=str(place), severity=severity, score=score)
            for place, (severity, score) in enumerate(given)
        ]
        found = self.told(tmp_path, rows)
        assert [(entry.severity, entry.score) for entry in found.entries] == [
            ("critical", 5.0),
            ("high", 8.0),
            ("high", 7.0),
            ("low", 30.0),
            ("info", 99.0),
        ]
        assert found.headline == "5 anomalies: 1 critical, 2 high, 1 low and 1 info."

    def test_only_the_newest_revision_counts(self, tmp_path: Path) -> None:
        first = scene.anomaly(severity="critical")
        moved = scene.SINCE - dt.timedelta(days=9)
        later = first | {"revision": 2, "severity": "low"}
        gone = scene.anomaly(series_key="moved")
        away = gone | {"revision": 2, "started_at": moved, "ended_at": moved + HOUR}
        found = self.told(tmp_path, [first, later, gone, away])
        assert [(entry.revision, entry.severity) for entry in found.entries] == [(2, "low")]

    def test_withdrawn_ones_are_counted_and_those_taken_over_left_out(self, tmp_path: Path) -> None:
        rows = [
            scene.anomaly(series_key="a", state="withdrawn"),
            scene.anomaly(series_key="b", superseded_by="c"),
        ]
        found = self.told(tmp_path, rows)
        assert (found.entries, found.withdrawn) == ((), 1)

    @pytest.mark.parametrize(
        ("start", "end", "told"),
        [
            pytest.param(-2, -1, False, id="ended-before"),
            pytest.param(-1, 0, False, id="ends-as-the-span-begins"),
            pytest.param(-1, 1, True, id="reaches-in"),
            pytest.param(71, 80, True, id="reaches-out"),
            pytest.param(72, 80, False, id="begins-as-the-span-ends"),
            pytest.param(-99, None, True, id="goes-on"),
        ],
    )
    def test_an_anomaly_is_told_when_it_touches_the_span(
        self, tmp_path: Path, start: int, end: int | None, told: bool
    ) -> None:
        row = scene.anomaly(
            scene.SINCE + start * HOUR,
            ended_at=None if end is None else scene.SINCE + end * HOUR,
        )
        assert bool(self.told(tmp_path, [row]).entries) is told

    def test_its_rate_becomes_a_chart_with_the_anomaly_shaded(self, tmp_path: Path) -> None:
        start = scene.SINCE + 30 * HOUR
        series = scene.rate(start - HOUR, [1.0] * 12 + [40.0] * 6 + [1.0] * 6)
        row = scene.anomaly(start, evidence=scene.evidence(rate=series))
        figure = self.told(tmp_path, [row], events=scene.calls()).entries[0].figure
        assert figure is not None
        assert (figure.kind, figure.step_seconds, len(figure.points)) == ("rate", 300, 24)
        assert figure.window == (start, start + dt.timedelta(minutes=30))
        assert "at most 40 at 2026-11-11 06:00, 1.5 expected" in figure.description

    def test_without_a_rate_the_principals_hours_around_are_drawn(self, tmp_path: Path) -> None:
        start = scene.SINCE + 30 * HOUR
        row = scene.anomaly(start, principal_arn=scene.DORA, event_name=None, event_source=None)
        events = scene.calls()
        figure = self.told(tmp_path, [row], events=events).entries[0].figure
        assert figure is not None
        assert figure.kind == "activity"
        # The lake begins a day before, and its newest event lies within a day after.
        assert figure.points[0][0] == scene.SINCE
        around = start + dt.timedelta(minutes=30) + dt.timedelta(days=1)
        counted = [
            event
            for event in events
            if event["principal_arn"] == scene.DORA
            and event["account_id"] == "111122223333"
            and event["event_time"] < around
        ]
        assert sum(point[1] for point in figure.points) == len(counted)
        assert sum(point[2] or 0 for point in figure.points) == sum(e["is_error"] for e in counted)

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("no json", id="not-json"),
            pytest.param("[]", id="not-an-object"),
            pytest.param('{"event_ids": 3}', id="wrong-type"),
            pytest.param('{"rate": {"points": [["when", 1, 2]]}}', id="no-time"),
            pytest.param('{"rate": {"points": []}}', id="no-points"),
        ],
    )
    def test_evidence_that_can_not_be_read_costs_no_anomaly(
        self, tmp_path: Path, text: str
    ) -> None:
        entry = self.told(tmp_path, [scene.anomaly(evidence=text, insight=text)]).entries[0]
        assert entry.title == "RunInstances surged to 31 calls a minute"
        assert entry.event_ids == ()

    def test_insight_and_alerts_are_told(self, tmp_path: Path) -> None:
        pair = {"start": None, "end": scene.insight()}
        row = scene.anomaly(insight=json.dumps(pair))
        sent = {
            "anomaly_id": row["anomaly_id"],
            "state": "closed",
            "revision": 1,
            "target": "stdout",
            "outcome": "failed",
            "reason": "broken pipe",
            "attempts": 1,
            "at": scene.NOW,
        }
        later = sent | {"outcome": "sent", "reason": None, "attempts": 2, "at": scene.NOW + HOUR}
        entry = self.told(tmp_path, [row], outbox=[sent, later]).entries[0]
        assert [(alert.outcome, alert.attempts) for alert in entry.alerts] == [("sent", 2)]
        assert entry.insight is not None
        assert entry.insight.insight_average == 12.4
        assert [(a.value, a.baseline_average) for a in entry.insight.attributions] == [
            (scene.DORA, 0.0183744258),
            ("null", None),
        ]

    def test_very_many_are_told_in_full_up_to_a_number_and_then_in_a_line(
        self, tmp_path: Path
    ) -> None:
        rows = [scene.anomaly(series_key=str(number)) for number in range(MAX_ENTRIES + 5)]
        found = self.told(tmp_path, rows, events=scene.calls())
        assert len(found.entries) == MAX_ENTRIES
        assert sum(entry.figure is not None for entry in found.entries) == MAX_CHARTS
        assert found.further is not None
        assert len(found.further.rows) == 5
        assert sum(found.severities.values()) == MAX_ENTRIES + 5
        assert f"Only the {MAX_CHARTS} gravest anomalies have a chart." in found.notes


def test_set_aside_is_told_with_reasons_and_places(tmp_path: Path) -> None:
    at = scene.NOW
    files = [
        {"bucket": "logs", "key": "a", "state": "ingested", "plan_id": 1, "ingested_at": at},
        {"bucket": "logs", "key": "b", "state": "partial", "plan_id": 1, "ingested_at": at},
        {"bucket": "logs", "key": "c", "state": "archived", "plan_id": 1, "ingested_at": at},
    ]
    quarantine = [
        {"bucket": "logs", "key": "b", "record": 3, "reason": "no_event_time", "plan_id": 1}
        | {"content": b"{}", "quarantined_at": at, "json_path": "$.eventTime"},
    ]
    with scene.engine(tmp_path, log_files=files, quarantine=quarantine) as engine:
        found = scene.document(engine)
    assert section(found, "set_aside").sentences == (
        "The quarantine of the whole lake holds 1 record and 0 whole objects.",
    )
    assert {row["state"] for row in table(found, "file_states").rows} == {"archived", "partial"}
    assert table(found, "set_aside_places").rows[0]["place"] == "logs/b"
    assert table(found, "set_aside").rows[0]["reason"] == "no_event_time"


def test_long_spans_show_days(tmp_path: Path) -> None:
    events = [
        scene.builders.event(
            scene.SINCE + dt.timedelta(days=day, hours=day % 24), event_id=str(day)
        )
        for day in range(40)
    ]
    with scene.engine(tmp_path, events=events) as engine:
        found = sections.document(
            engine,
            since=scene.SINCE,
            until=scene.SINCE + dt.timedelta(days=40),
            now=scene.NOW,
            top=5,
            lake=sections.LakeFacts("lake"),
        )
    figure = section(found, "activity").figures[0]
    assert (figure.step_seconds, len(figure.points)) == (86_400, 40)
    assert {point[1] for point in figure.points} == {1}
