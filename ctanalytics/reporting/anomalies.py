"""Anomalies as the report tells them: ranked, with evidence, chart, insight and alerts."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from ctanalytics import findings
from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting.document import (
    Alert,
    Entry,
    Figure,
    Table,
)
from ctanalytics.reporting.evidence import Evidence, Rate, evidence, insight
from ctanalytics.reporting.retold import Told, told
from ctanalytics.reporting.series import Point, clipped, described, hourly
from ctanalytics.reporting.tables import Field, Layout, laid_out
from ctanalytics.reporting.voice import Voice

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


def retold(rows: list[dict[str, Any]], voice: Voice) -> dict[str, Told]:
    """Return the titles and explanations of anomalies in the voice's language, by id."""
    return {row["anomaly_id"]: told(voice, row) for row in rows}


def entries(
    engine: Engine,
    rows: list[dict[str, Any]],
    texts: Mapping[str, Told],
    voice: Voice,
    *,
    covered: tuple[dt.datetime, dt.datetime] | None,
) -> tuple[Entry, ...]:
    """Tell the first MAX_ENTRIES anomalies in full, the first MAX_CHARTS with a chart.

    Args:
        texts: of `retold`.
        covered: the span that the lake has events of; no chart shows a zero outside it.
    """
    if not rows:
        return ()
    shown = [(row, evidence(row["evidence"])) for row in rows[:MAX_ENTRIES]]
    figures = _figures(engine, shown[:MAX_CHARTS], covered, voice) if covered else {}
    alerts = _alerts(engine)
    return tuple(
        _entry(
            row,
            behind,
            texts[row["anomaly_id"]],
            figure=figures.get(row["anomaly_id"]),
            alerts=alerts.get(row["anomaly_id"], ()),
        )
        for row, behind in shown
    )


FURTHER: Final = Layout(
    "further_anomalies",
    (
        Field("severity", "word"),
        Field("started_at", "time"),
        Field("title", "text"),
        Field("account_id", "code"),
        Field("score", "rate"),
        Field("anomaly_id", "code"),
    ),
)


def further(rows: list[dict[str, Any]], texts: Mapping[str, Told], voice: Voice) -> Table | None:
    """List what `entries` leaves out, one line each; none when nothing is."""
    rest = rows[MAX_ENTRIES:]
    if not rest:
        return None
    shown = tuple(
        {field.name: row[field.name] for field in FURTHER.fields}
        | {"title": texts[row["anomaly_id"]].title}
        for row in rest[:MAX_LINES]
    )
    return laid_out(FURTHER, shown, len(rest), voice)


def _entry(
    row: Mapping[str, Any],
    behind: Evidence,
    text: Told,
    *,
    figure: Figure | None,
    alerts: tuple[Alert, ...],
) -> Entry:
    return Entry(
        **{
            name: row[name]
            for name in Entry.__dataclass_fields__
            if name in row and name not in ("insight", "title", "explanation")
        },
        title=text.title,
        explanation=text.explanation,
        original=text.original,
        events=behind.events,
        event_ids=tuple(behind.event_ids[:MAX_EVENT_IDS]),
        sql=behind.sql,
        figure=figure,
        insight=insight(row["insight"]),
        alerts=alerts,
    )


def _alerts(engine: Engine) -> dict[str, tuple[Alert, ...]]:
    found: defaultdict[str, list[Alert]] = defaultdict(list)
    for row in engine.run("reporting/deliveries").to_pylist():
        found[row.pop("anomaly_id")].append(Alert(**row))
    return {key: tuple(alerts) for key, alerts in found.items()}


def _figures(
    engine: Engine,
    rows: list[tuple[dict[str, Any], Evidence]],
    covered: tuple[dt.datetime, dt.datetime],
    voice: Voice,
) -> dict[str, Figure]:
    """Draw each anomaly's rate where its detector gave one, else the hours around it."""
    figures: dict[str, Figure] = {}
    without: list[dict[str, Any]] = []
    for row, behind in rows:
        points = _rate_points(behind.rate)
        if behind.rate is None or not points:
            without.append(row)
        else:
            figures[row["anomaly_id"]] = _rate_figure(row, behind.rate, points, voice)
    return figures | _activity_figures(engine, without, covered, voice)


def _rate_figure(
    row: Mapping[str, Any], rate: Rate, points: tuple[Point, ...], voice: Voice
) -> Figure:
    unit = voice.word(rate.unit)
    step = max(round(rate.minutes * 60), 1)
    last = points[-1][0] + dt.timedelta(seconds=step)
    return Figure(
        name=f"rate_{row['anomaly_id']}",
        kind="rate",
        title=voice.say("figure.rate", unit=unit),
        description=described(points, unit, second=voice.say("units.expected"), voice=voice),
        unit=unit,
        step_seconds=step,
        points=points,
        window=clipped(row["started_at"], row["ended_at"], points[0][0], last),
    )


def _rate_points(rate: Rate | None) -> tuple[Point, ...]:
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
    engine: Engine,
    rows: list[dict[str, Any]],
    covered: tuple[dt.datetime, dt.datetime],
    voice: Voice,
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
            by_id[subject["anomaly_id"]], subject, hours[subject["anomaly_id"]], voice
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
    row: Mapping[str, Any],
    subject: Mapping[str, Any],
    hours: list[dict[str, Any]],
    voice: Voice,
) -> Figure:
    points = hourly(hours, subject["since"], subject["until"])
    whose = "principal" if subject["principal"] else "api" if subject["event_name"] else "account"
    unit = voice.say("units.per_hour")
    return Figure(
        name=f"activity_{row['anomaly_id']}",
        kind="activity",
        title=voice.say(f"figure.around_{whose}"),
        description=described(points, unit, second=voice.say("units.failed"), voice=voice),
        unit=unit,
        step_seconds=3600,
        points=points,
        window=clipped(row["started_at"], row["ended_at"], subject["since"], subject["until"]),
    )
