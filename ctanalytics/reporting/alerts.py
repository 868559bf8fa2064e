"""The report's section on alerts: what was told, what was not and why, and what got stuck."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import tables
from ctanalytics.reporting.document import Section
from ctanalytics.reporting.tables import Field, Layout, fact
from ctanalytics.reporting.voice import Voice

OUTCOMES = Layout(
    "alerts",
    (
        Field("target", "code"),
        Field("outcome", "word"),
        Field("reason", "word"),
        Field("alerts", "count", bar=True),
        Field("last_at", "time"),
    ),
)
UNDELIVERED = Layout(
    "undelivered",
    (
        Field("outcome", "word"),
        Field("severity", "word"),
        Field("title", "text"),
        Field("target", "code"),
        Field("reason", "word"),
        Field("attempts", "count"),
        Field("last_at", "time"),
    ),
)


def sections(engine: Engine, voice: Voice, *, since: dt.datetime, top: int) -> tuple[Section, ...]:
    """Return the section, or none when no alert was handled since the span began and none is stuck."""
    handled = tables.table(engine, OUTCOMES, voice=voice, since=since)
    stuck = tables.table(engine, UNDELIVERED, voice=voice, top=top)
    if not handled.rows and not stuck.rows:
        return ()
    outcomes: Counter[str] = Counter()
    for row in handled.rows:
        outcomes[str(row["outcome"])] += int(str(row["alerts"]))
    dead = sum(row["outcome"] == "dead letter" for row in stuck.rows)
    sentence = voice.say(f"alerts.{'dead' if dead else 'waiting' if stuck.rows else 'delivered'}")
    facts = (
        fact(voice, "alerts_sent", outcomes["sent"], "count"),
        fact(voice, "alerts_suppressed", outcomes["suppressed"], "count"),
        fact(voice, "alerts_undelivered", stuck.found, "count"),
    )
    shown = tuple(found for found in (stuck, handled) if found.rows)
    return (Section("alerts", voice.say("titles.alerts"), (sentence,), facts, tables=shown),)
