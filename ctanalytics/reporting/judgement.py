"""The report's section on judgement: what was set aside by people and lists, and how models moved."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import tables
from ctanalytics.reporting.document import Section
from ctanalytics.reporting.tables import Field, Layout, fact
from ctanalytics.reporting.voice import Voice

MARKED = Layout(
    "marked",
    (
        Field("verdict", "word"),
        Field("detector", "text"),
        Field("title", "text"),
        Field("note", "text"),
        Field("marked_by", "code"),
        Field("marked_at", "time"),
    ),
)
DRIFT = Layout(
    "drift",
    (
        Field("judged_date", "date"),
        Field("measure", "word"),
        Field("feature", "code"),
        Field("value", "rate"),
    ),
)


def sections(
    engine: Engine, voice: Voice, *, since: dt.datetime, until: dt.datetime, top: int
) -> tuple[Section, ...]:
    """Return the section, or none when nothing was said and no model was made for the span."""
    span: dict[str, Any] = {"since": since, "until": until}
    counts: Counter[str] = Counter()
    for row in engine.run("reporting/marked_counts", **span).to_pylist():
        counts[row["verdict"]] = row["anomalies"]
    days = engine.run("reporting/drift_days", **span).to_pylist()[0]
    if not counts and not days["days"]:
        return ()
    marked = tables.table(engine, MARKED, voice=voice, top=top, **span)
    drift = tables.table(engine, DRIFT, voice=voice, top=top, **span)
    sentences = [_said(voice, counts)] if counts else []
    if days["days"]:
        sentences.append(_moved(voice, days["days"], days["alarming"]))
    facts = (
        fact(voice, "anomalies_allowed", counts["allowed"], "count"),
        fact(voice, "anomalies_benign", counts["benign"], "count"),
        fact(voice, "anomalies_confirmed", counts["confirmed"], "count"),
    )
    shown = tuple(found for found in (marked, drift) if found.rows)
    title = voice.say("titles.judgement")
    return (Section("judgement", title, tuple(sentences), facts, tables=shown),)


def _said(voice: Voice, counts: Counter[str]) -> str:
    quiet = counts["allowed"] + counts["benign"]
    return voice.many("judgement.set_aside", quiet) if quiet else voice.say("judgement.nothing")


def _moved(voice: Voice, days: int, alarming: int) -> str:
    key = "judgement.far" if alarming else "judgement.near"
    return voice.say(key, days=voice.count("day", days), n=alarming)
