"""Anomalies as the report tells them: ranked, with evidence, chart, insight and alerts."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa

from ctanalytics import findings
from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting.document import (
    Alert,
    Attribution,
    Column,
    Entry,
    Figure,
    Insight,
    Table,
)
from ctanalytics.reporting.series import Point, clipped, described, hourly

MAX_ENTRIES = 100
MAX_CHARTS = 24  # of about 10 KB each
MAX_LINES = 400  # of the list of further ones
MAX_POINTS = 600
MAX_EVENT_IDS = 100
_BEFORE = dt.timedelta(days=2)
_AFTER = dt.timedelta(days=1)
_LONGEST = dt.timedelta(days=14)


SUBJECTS = pa.schema(
    [
        pa.field("anomaly_id", pa.string()),
        pa.field("principal", pa.string()),
        pa.field("account_id", pa.string()),
        pa.field("aws_region", pa.string()),
        pa.field("event_source", pa.string()),
        pa.field("event_name", pa.string()),
        pa.field("since", findings.TIMESTAMP),
        pa.field("until", findings.TIMESTAMP),
    ]
)
"""What `reporting/subject_hours` reads as report_subjects."""


class _Loose(msgspec.Struct, frozen=True, rename="camel"):
    """Base of what is read from JSON: unknown members are ignored."""


class _Rate(msgspec.Struct, frozen=True):
    points: list[tuple[str, float, float | None]]
    unit: str = "calls per minute"
    minutes: float = 1.0


class _Evidence(msgspec.Struct, frozen=True):
    event_ids: list[str] = []
    events: int | None = None
    sql: str = ""
    rate: _Rate | None = None


class _Value(_Loose, frozen=True):
    value: str
    average: float


class _Attribution(_Loose, frozen=True):
    attribute: str
    insight: list[_Value] = []
    baseline: list[_Value] = []


class _Average(_Loose, frozen=True):
    average: float | None = None


class _Statistics(_Loose, frozen=True):
    baseline: _Average = _Average()
    insight: _Average = _Average()
    insight_duration: int | None = None
    baseline_duration: int | None = None


class _Context(_Loose, frozen=True):
    statistics: _Statistics = _Statistics()
    attributions: list[_Attribution] = []


class _Details(_Loose, frozen=True):
    insight_context: _Context = _Context()


class _Record(_Loose, frozen=True):
    insight_details: _Details = _Details()


class _Pair(_Loose, frozen=True):
    start: _Record | None = None
    end: _Record | None = None


def ranked(engine: Engine, *, since: dt.datetime, until: dt.datetime) -> list[dict[str, Any]]:
    """Return the anomalies that touch a span, the gravest first, withdrawn ones among them."""
    rows: list[dict[str, Any]] = engine.run(
        "reporting/anomalies", since=since, until=until
    ).to_pylist()
    return sorted(
        rows,
        key=lambda row: (
            -findings.severity_rank(row["severity"]),
            -row["score"],
            row["started_at"],
            row["anomaly_id"],
        ),
    )


def entries(
    engine: Engine,
    rows: list[dict[str, Any]],
    *,
    covered: tuple[dt.datetime, dt.datetime] | None,
) -> tuple[Entry, ...]:
    """Tell the first MAX_ENTRIES anomalies in full, the first MAX_CHARTS with a chart.

    Args:
        covered: the span that the lake has events of; no chart shows a zero outside it.
    """
    if not rows:
        return ()
    shown = [(row, _evidence(row["evidence"])) for row in rows[:MAX_ENTRIES]]
    figures = _figures(engine, shown[:MAX_CHARTS], covered) if covered else {}
    alerts = _alerts(engine)
    return tuple(
        _entry(
            row,
            evidence,
            figure=figures.get(row["anomaly_id"]),
            alerts=alerts.get(row["anomaly_id"], ()),
        )
        for row, evidence in shown
    )


def further(rows: list[dict[str, Any]]) -> Table | None:
    """List what `entries` leaves out, one line each; none when nothing is."""
    rest = rows[MAX_ENTRIES:]
    if not rest:
        return None
    columns = (
        Column("severity", "Severity", "text"),
        Column("started_at", "Start", "time"),
        Column("title", "What", "text"),
        Column("account_id", "Account", "code"),
        Column("score", "Score", "rate"),
        Column("anomaly_id", "Id", "code"),
    )
    shown = tuple({column.name: row[column.name] for column in columns} for row in rest[:MAX_LINES])
    return Table("further_anomalies", "Further anomalies", columns, shown, len(rest))


def _entry(
    row: Mapping[str, Any],
    evidence: _Evidence,
    *,
    figure: Figure | None,
    alerts: tuple[Alert, ...],
) -> Entry:
    return Entry(
        **{
            name: row[name]
            for name in Entry.__dataclass_fields__
            if name in row and name != "insight"
        },
        events=evidence.events,
        event_ids=tuple(evidence.event_ids[:MAX_EVENT_IDS]),
        sql=evidence.sql,
        figure=figure,
        insight=_insight(row["insight"]),
        alerts=alerts,
    )


def _evidence(text: str) -> _Evidence:
    try:
        return msgspec.json.decode(text, type=_Evidence)
    except (msgspec.DecodeError, UnicodeEncodeError):
        # A detector's own SQL or ids are lost to the page, never the anomaly itself.
        return _Evidence()


def _insight(text: str | None) -> Insight | None:
    if not text:
        return None
    try:
        pair = msgspec.json.decode(text, type=_Pair)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    record = pair.end or pair.start
    if record is None:
        return None
    context = record.insight_details.insight_context
    numbers = context.statistics
    return Insight(
        baseline_average=numbers.baseline.average,
        insight_average=numbers.insight.average,
        baseline_minutes=numbers.baseline_duration,
        insight_minutes=numbers.insight_duration,
        attributions=tuple(
            Attribution(
                attribute=attribution.attribute,
                value=value.value,
                insight_average=value.average,
                baseline_average=next(
                    (past.average for past in attribution.baseline if past.value == value.value),
                    None,
                ),
            )
            for attribution in context.attributions
            for value in attribution.insight[:5]
        ),
    )


def _alerts(engine: Engine) -> dict[str, tuple[Alert, ...]]:
    found: defaultdict[str, list[Alert]] = defaultdict(list)
    for row in engine.run("reporting/deliveries").to_pylist():
        found[row.pop("anomaly_id")].append(Alert(**row))
    return {key: tuple(alerts) for key, alerts in found.items()}


def _figures(
    engine: Engine,
    rows: list[tuple[dict[str, Any], _Evidence]],
    covered: tuple[dt.datetime, dt.datetime],
) -> dict[str, Figure]:
    """Draw each anomaly's rate where its detector gave one, else the hours around it."""
    figures: dict[str, Figure] = {}
    without: list[dict[str, Any]] = []
    for row, evidence in rows:
        points = _rate_points(evidence.rate)
        if evidence.rate is None or not points:
            without.append(row)
        else:
            figures[row["anomaly_id"]] = _rate_figure(row, evidence.rate, points)
    return figures | _activity_figures(engine, without, covered)


def _rate_figure(row: Mapping[str, Any], rate: _Rate, points: tuple[Point, ...]) -> Figure:
    step = max(round(rate.minutes * 60), 1)
    last = points[-1][0] + dt.timedelta(seconds=step)
    return Figure(
        name=f"rate_{row['anomaly_id']}",
        kind="rate",
        title=f"Observed and expected {rate.unit}",
        description=described(points, rate.unit, second="expected"),
        unit=rate.unit,
        step_seconds=step,
        points=points,
        window=clipped(row["started_at"], row["ended_at"], points[0][0], last),
    )


def _rate_points(rate: _Rate | None) -> tuple[Point, ...]:
    if rate is None:
        return ()
    try:
        points = [(_utc(text), seen, expected) for text, seen, expected in rate.points]
    except ValueError:
        return ()
    return tuple(sorted(points, key=lambda point: point[0])[:MAX_POINTS])


def _utc(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _activity_figures(
    engine: Engine, rows: list[dict[str, Any]], covered: tuple[dt.datetime, dt.datetime]
) -> dict[str, Figure]:
    """The hours around anomalies of whom each names, or of the API where it names nobody."""
    subjects = [subject for row in rows if (subject := _subject(row, covered))]
    if not subjects:
        return {}
    engine.register("report_subjects", pa.Table.from_pylist(subjects, SUBJECTS))
    hours: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    found = engine.run(
        "reporting/subject_hours",
        since=min(subject["since"] for subject in subjects),
        until=max(subject["until"] for subject in subjects),
    )
    for hour in found.to_pylist():
        hours[hour["anomaly_id"]].append(hour)
    by_id = {row["anomaly_id"]: row for row in rows}
    return {
        subject["anomaly_id"]: _activity_figure(
            by_id[subject["anomaly_id"]], subject, hours[subject["anomaly_id"]]
        )
        for subject in subjects
    }


def _subject(
    row: Mapping[str, Any], covered: tuple[dt.datetime, dt.datetime]
) -> dict[str, Any] | None:
    start, end = row["started_at"], row["ended_at"] or covered[1]
    until = min(max(end, start) + _AFTER, start - _BEFORE + _LONGEST)
    span = clipped(start - _BEFORE, until, *covered)
    if span is None or not (row["principal_arn"] or row["event_name"] or row["account_id"]):
        return None
    return {
        "anomaly_id": row["anomaly_id"],
        "principal": row["principal_arn"],
        **{name: row[name] for name in ("account_id", "aws_region", "event_source", "event_name")},
        "since": span[0],
        "until": span[1],
    }


def _activity_figure(
    row: Mapping[str, Any], subject: Mapping[str, Any], hours: list[dict[str, Any]]
) -> Figure:
    points = hourly(hours, subject["since"], subject["until"])
    name = "principal" if subject["principal"] else "API" if subject["event_name"] else "account"
    return Figure(
        name=f"activity_{row['anomaly_id']}",
        kind="activity",
        title=f"Calls per hour of this {name} in the days around",
        description=described(points, "calls per hour", second="failed"),
        unit="calls per hour",
        step_seconds=3600,
        points=points,
        window=clipped(row["started_at"], row["ended_at"], subject["since"], subject["until"]),
    )
