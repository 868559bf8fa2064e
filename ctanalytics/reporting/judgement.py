"""The report's section on judgement: what was set aside by people and lists, and how models moved."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import tables
from ctanalytics.reporting.document import Column, Fact, Section
from ctanalytics.reporting.tables import Layout

MARKED = Layout(
    "marked",
    "What was said of anomalies",
    (
        Column("verdict", "Said", "text"),
        Column("detector", "Detector", "text"),
        Column("title", "Anomaly", "text"),
        Column("note", "Why", "text"),
        Column("marked_by", "By", "code"),
        Column("marked_at", "When", "time"),
    ),
)
DRIFT = Layout(
    "drift",
    "How far days moved from what behaviour is judged by",
    (
        Column("judged_date", "Day", "date"),
        Column("measure", "Measure", "text"),
        Column("feature", "Of", "code"),
        Column("value", "Value", "rate"),
    ),
)


def sections(
    engine: Engine, *, since: dt.datetime, until: dt.datetime, top: int
) -> tuple[Section, ...]:
    """Return the section, or none when nothing was said and no model was made for the span."""
    span = {"since": since, "until": until}
    counts: Counter[str] = Counter()
    for row in engine.run("reporting/marked_counts", **span).to_pylist():
        counts[row["verdict"]] = row["anomalies"]
    days = engine.run("reporting/drift_days", **span).to_pylist()[0]
    if not counts and not days["days"]:
        return ()
    marked = tables.table(engine, MARKED, since=since, until=until, top=top)
    drift = tables.table(engine, DRIFT, since=since, until=until, top=top)
    sentences = [_said(counts)] if counts else []
    if days["days"]:
        sentences.append(_moved(days["days"], days["alarming"]))
    facts = (
        Fact("anomalies_allowed", "Allowed by the list", counts["allowed"], "count"),
        Fact("anomalies_benign", "Called benign", counts["benign"], "count"),
        Fact("anomalies_confirmed", "Confirmed", counts["confirmed"], "count"),
    )
    shown = tuple(found for found in (marked, drift) if found.rows)
    return (Section("judgement", "Judgement", tuple(sentences), facts, tables=shown),)


def _said(counts: Counter[str]) -> str:
    quiet = counts["allowed"] + counts["benign"]
    if not quiet:
        return "Nothing was set aside: no list and no person called an anomaly harmless."
    noun = "anomaly was" if quiet == 1 else "anomalies were"
    return f"{quiet} {noun} set aside as harmless; they are in this report and were not sent."


def _moved(days: int, alarming: int) -> str:
    noun = "day" if days == 1 else "days"
    if not alarming:
        return f"On {days} {noun} with a model of behaviour, life stayed near what it had learned."
    return (
        f"On {days} {noun} with a model of behaviour, {alarming} of its measures moved far from what "
        "it had learned: much new at once, or another way of working."
    )
