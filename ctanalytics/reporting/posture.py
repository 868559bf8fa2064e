"""The report's section on how trails are set up, and the sentence it leads with when one was narrowed."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting.document import Fact, Section, Table
from ctanalytics.reporting.tables import Field, Layout, fact, table
from ctanalytics.reporting.values import show
from ctanalytics.reporting.voice import ENGLISH, Voice

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

_AFTER: Final = dt.timedelta(hours=6)
"""So long after a span its audits are made: a night audits after the day that it reports."""

CHANGES: Final = Layout(
    "posture",
    (
        Field("change", "word"),
        Field("severity", "word"),
        Field("check_id", "code"),
        Field("account_id", "code"),
        Field("resource", "code"),
        Field("explanation", "text"),
    ),
)
WEAKENED: Final = Layout(
    "trail_weakened",
    (
        Field("event_time", "time"),
        Field("account_id", "code"),
        Field("aws_region", "code"),
        Field("event_name", "code"),
        Field("target", "code"),
        Field("principal", "code"),
    ),
)


def sections(
    engine: Engine,
    *,
    since: dt.datetime,
    until: dt.datetime,
    top: int,
    voice: Voice = ENGLISH,
) -> tuple[str, tuple[Section, ...]]:
    """Build the section, when the lake has audits or a trail was weakened, and what leads the report.

    Returns:
        A sentence for the head of the report, empty when no trail was narrowed; and the section.
    """
    weakened = table(engine, WEAKENED, voice=voice, since=since, until=until, top=top)
    audited: dict[str, Any] = {"since": since + _AFTER, "until": until + _AFTER}
    changes = table(engine, CHANGES, voice=voice, top=top, **audited)
    counts = engine.run("reporting/posture_counts", until=audited["until"]).to_pylist()
    if not counts and not weakened.rows:
        return "", ()
    sentences = [*_weakened(voice, weakened), *_audited(voice, counts)]
    shown = tuple(one for one in (weakened, changes) if one.rows)
    section = Section(
        "posture",
        voice.say("titles.posture"),
        tuple(sentences),
        _facts(voice, counts),
        tables=shown,
    )
    return _lead(voice, weakened, changes), (section,)


def _lead(voice: Voice, weakened: Table, changes: Table) -> str:
    if weakened.rows:
        last = weakened.rows[0]
        at = last["event_time"]
        return voice.say(
            "posture.lead",
            call=last["event_name"],
            who=last["principal"] or voice.say("posture.somebody"),
            time=show(at, "time", voice),
            zone=voice.zone_name(at if isinstance(at, dt.datetime) else None),
            more=voice.say("posture.lead_more", n=weakened.found) if weakened.found > 1 else "",
        )
    narrowed = [
        row for row in changes.rows if row["change"] == "new" and row["check_id"] in LEADING
    ]
    return voice.say("posture.narrowed", what=narrowed[0]["explanation"]) if narrowed else ""


def _weakened(voice: Voice, weakened: Table) -> list[str]:
    if not weakened.rows:
        return []
    return [voice.say("posture.weakened", calls=voice.count("call", weakened.found))]


def _audited(voice: Voice, counts: list[dict[str, Any]]) -> list[str]:
    if not counts:
        return [voice.say("posture.no_audit")]
    oldest = min(row["audited_at"] for row in counts)
    return [
        voice.say(
            "posture.audited",
            failing=_findings(counts, "fail"),
            unknown=_findings(counts, "unknown"),
            passing=_findings(counts, "pass"),
            time=voice.clock(oldest),
            zone=voice.zone_name(oldest),
        )
    ]


def _findings(counts: list[dict[str, Any]], status: str) -> int:
    return sum(row["findings"] for row in counts if row["status"] == status)


def _facts(voice: Voice, counts: list[dict[str, Any]]) -> tuple[Fact, ...]:
    if not counts:
        return ()
    grave = [row for row in counts if row["severity"] in ("critical", "high")]
    return (
        fact(voice, "failing_high", _findings(grave, "fail"), "count"),
        *(
            fact(voice, f"posture_{status}", _findings(counts, status), "count")
            for status in ("fail", "unknown", "pass")
        ),
    )
