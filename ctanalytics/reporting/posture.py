"""The report's section on how trails are set up, and the sentence it leads with when one was narrowed."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting.document import Column, Fact, Section, Table
from ctanalytics.reporting.series import clock
from ctanalytics.reporting.tables import Layout, table

LEADING: Final = frozenset(
    (
        "trail-exists",
        "trail-multi-region",
        "trail-logging",
        "trail-delivering",
        "trail-management-read-write",
        "trail-global-events",
        "seen-tampering",
        "seen-not-recorded",
    )
)
"""Checks whose new failure says that less is recorded than before."""

CHANGES: Final = Layout(
    "posture",
    "What audits found, the new first",
    (
        Column("change", "Change", "text"),
        Column("severity", "Severity", "text"),
        Column("check_id", "Check", "code"),
        Column("account_id", "Account", "code"),
        Column("resource", "Resource", "code"),
        Column("explanation", "What holds", "text"),
    ),
)
WEAKENED: Final = Layout(
    "trail_weakened",
    "Calls that stopped, deleted or narrowed a trail",
    (
        Column("event_time", "When", "time"),
        Column("account_id", "Account", "code"),
        Column("aws_region", "Region", "code"),
        Column("event_name", "Call", "code"),
        Column("target", "Trail", "code"),
        Column("principal", "Principal", "code"),
    ),
)


def sections(
    engine: Engine, *, since: dt.datetime, until: dt.datetime, top: int
) -> tuple[str, tuple[Section, ...]]:
    """Build the section, when the lake has audits or a trail was weakened, and what leads the report.

    Returns:
        A sentence for the head of the report, empty when no trail was narrowed; and the section.
    """
    weakened = table(engine, WEAKENED, since=since, until=until, top=top)
    changes = table(engine, CHANGES, since=since, until=until, top=top)
    counts = engine.run("reporting/posture_counts", until=until).to_pylist()
    if not counts and not weakened.rows:
        return "", ()
    sentences = [*_weakened(weakened), *_audited(counts)]
    shown = tuple(one for one in (weakened, changes) if one.rows)
    section = Section(
        "posture", "How trails are set up", tuple(sentences), _facts(counts), tables=shown
    )
    return _lead(weakened, changes), (section,)


def _lead(weakened: Table, changes: Table) -> str:
    if weakened.rows:
        last = weakened.rows[0]
        what = f"{last['event_name']} by {last['principal'] or 'somebody'}"
        more = f", the last of {weakened.found} such calls" if weakened.found > 1 else ""
        return f"A trail was weakened: {what} at {_clock(last['event_time'])} UTC{more}."
    narrowed = [
        row for row in changes.rows if row["change"] == "new" and row["check_id"] in LEADING
    ]
    if narrowed:
        return f"Less is recorded than it was: {narrowed[0]['explanation']}."
    return ""


def _clock(value: object) -> str:
    return clock(value) if isinstance(value, dt.datetime) else str(value)


def _weakened(weakened: Table) -> list[str]:
    if not weakened.rows:
        return []
    calls = "call" if weakened.found == 1 else "calls"
    return [f"{weakened.found:,} {calls} weakened a trail in this span: see below who made them."]


def _audited(counts: list[dict[str, Any]]) -> list[str]:
    if not counts:
        return ["No audit is on record: `ctanalytics audit --lake LAKE` makes one."]
    total = {
        status: sum(row["findings"] for row in counts if row["status"] == status)
        for status in ("fail", "unknown", "pass")
    }
    oldest = min(row["audited_at"] for row in counts)
    return [
        f"Of the newest audits, {total['fail']:,} findings fail, {total['unknown']:,} could not be "
        f"told and {total['pass']:,} pass; the oldest of these audits is of {clock(oldest)} UTC."
    ]


def _facts(counts: list[dict[str, Any]]) -> tuple[Fact, ...]:
    if not counts:
        return ()
    grave = sum(
        row["findings"]
        for row in counts
        if row["status"] == "fail" and row["severity"] in ("critical", "high")
    )
    return (
        Fact("failing_high", "Failing, high or critical", grave, "count"),
        *(
            Fact(
                f"posture_{status}",
                label,
                sum(row["findings"] for row in counts if row["status"] == status),
                "count",
            )
            for status, label in (("fail", "Failing"), ("unknown", "Unknown"), ("pass", "Passing"))
        ),
    )
