"""Anomalies as the report tells them: ranked, with evidence, chart, insight and alerts."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

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
    alerts = _alerts(engine) if rows else {}
    return tuple(
        _entry(
            engine,
            row,
            alerts=alerts.get(row["anomaly_id"], ()),
            covered=covered if number < MAX_CHARTS else None,
        )
        for number, row in enumerate(rows[:MAX_ENTRIES])
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
    engine: Engine,
    row: Mapping[str, Any],
    *,
    alerts: tuple[Alert, ...],
    covered: tuple[dt.datetime, dt.datetime] | None,
) -> Entry:
    evidence = _evidence(row["evidence"])
    return Entry(
        **{
            name: row[name]
            for name in Entry.__dataclass_fields__
            if name in row and name != "insight"
        },
        events=evidence.events,
        event_ids=tuple(evidence.event_ids[:MAX_EVENT_IDS]),
        sql=evidence.sql,
        figure=_figure(engine, row, evidence.rate, covered) if covered else None,
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


def _figure(
    engine: Engine,
    row: Mapping[str, Any],
    rate: _Rate | None,
    covered: tuple[dt.datetime, dt.datetime],
) -> Figure | None:
    points = _rate_points(rate)
    if rate is None or not points:
        return _activity(engine, row, covered)
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


def _activity(
    engine: Engine, row: Mapping[str, Any], covered: tuple[dt.datetime, dt.datetime]
) -> Figure | None:
    """The hours around an anomaly of whom it names, or of the API where it names nobody."""
    start, end = row["started_at"], row["ended_at"] or covered[1]
    until = min(max(end, start) + _AFTER, start - _BEFORE + _LONGEST)
    span = clipped(start - _BEFORE, until, *covered)
    if span is None:
        return None
    principal = row["principal_arn"]
    subject = (
        {"account_id": row["account_id"], "principal": principal}
        if principal
        else {
            name: row[name] for name in ("account_id", "aws_region", "event_source", "event_name")
        }
    )
    if not any(subject.values()):
        return None
    nothing = dict.fromkeys(("account_id", "aws_region", "event_source", "event_name", "principal"))
    table = engine.run(
        "reporting/subject_hours", since=span[0], until=span[1], **(nothing | subject)
    )
    points = hourly(table.to_pylist(), *span)
    what = "this principal" if principal else "this API" if row["event_name"] else "this account"
    return Figure(
        name=f"activity_{row['anomaly_id']}",
        kind="activity",
        title=f"Calls per hour of {what} in the days around",
        description=described(points, "calls per hour", second="failed"),
        unit="calls per hour",
        step_seconds=3600,
        points=points,
        window=clipped(start, row["ended_at"], *span),
    )
