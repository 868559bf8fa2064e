"""The report's section on alerts: what was told, what was not and why, and what got stuck."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import tables
from ctanalytics.reporting.document import Column, Fact, Section
from ctanalytics.reporting.tables import Layout

OUTCOMES = Layout(
    "alerts",
    "By target, outcome and reason",
    (
        Column("target", "Target", "code"),
        Column("outcome", "Outcome", "text"),
        Column("reason", "Reason", "text"),
        Column("alerts", "Alerts", "count", bar=True),
        Column("last_at", "Last", "time"),
    ),
)
UNDELIVERED = Layout(
    "undelivered",
    "What a target did not take",
    (
        Column("outcome", "Outcome", "text"),
        Column("severity", "Severity", "text"),
        Column("title", "Alert", "text"),
        Column("target", "Target", "code"),
        Column("reason", "Reason", "text"),
        Column("attempts", "Attempts", "count"),
        Column("last_at", "Last", "time"),
    ),
)


def sections(engine: Engine, *, since: dt.datetime, top: int) -> tuple[Section, ...]:
    """Return the section, or none when no alert was handled since the span began and none is stuck."""
    handled = tables.table(engine, OUTCOMES, since=since)
    stuck = tables.table(engine, UNDELIVERED, top=top)
    if not handled.rows and not stuck.rows:
        return ()
    outcomes: Counter[str] = Counter()
    for row in handled.rows:
        outcomes[str(row["outcome"])] += int(str(row["alerts"]))
    dead = sum(row["outcome"] == "dead letter" for row in stuck.rows)
    if dead:
        sentence = (
            "A target refused alerts so often that they are not offered any more: mend the cause, "
            "then run ctanalytics emit --retry."
        )
    elif stuck.rows:
        sentence = "Some alerts did not reach their target yet: the next run tries again."
    else:
        sentence = "Every alert that was to be sent reached its target."
    facts = (
        Fact("alerts_sent", "Sent", outcomes["sent"], "count"),
        Fact("alerts_suppressed", "Suppressed", outcomes["suppressed"], "count"),
        Fact("alerts_undelivered", "Not delivered", stuck.found, "count"),
    )
    shown = tuple(found for found in (stuck, handled) if found.rows)
    return (Section("alerts", "Alerts", (sentence,), facts, tables=shown),)
