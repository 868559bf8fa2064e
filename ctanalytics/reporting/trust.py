"""The report's section on trust: how much of it is proved, and where the lake is blind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import tables
from ctanalytics.reporting.document import Entry, Section
from ctanalytics.reporting.tables import Field, Layout, fact
from ctanalytics.reporting.voice import Voice

_DAY = dt.timedelta(days=1)

CELLS = Layout(
    "completeness_cells",
    (
        Field("account_id", "code"),
        Field("aws_region", "code"),
        Field("complete", "count"),
        Field("quiet", "count"),
        Field("unproved", "count"),
        Field("incomplete", "count"),
        Field("stopped", "count"),
        Field("unknown", "count"),
        Field("files_not_held", "count"),
        Field("files_altered", "count"),
        Field("files_unlisted", "count"),
        Field("late_files", "count"),
    ),
)
SPANS = Layout(
    "completeness_spans",
    (
        Field("account_id", "code"),
        Field("aws_region", "code"),
        Field("trouble", "word"),
        Field("started_at", "time"),
        Field("ended_at", "time"),
        Field("hours", "count"),
    ),
)
VERDICTS = Layout(
    "trust_verdicts",
    (
        Field("verdict", "word"),
        Field("events", "count", bar=True),
        Field("log_files", "count"),
    ),
)


def sections(
    engine: Engine,
    entries: Sequence[Entry],
    voice: Voice,
    *,
    since: dt.datetime,
    until: dt.datetime,
    top: int,
) -> tuple[Section, ...]:
    """Return the section, or none while nothing was ever validated into the lake.

    Args:
        entries: the anomalies of the report, whose evidence is counted.
    """
    digests = engine.run("reporting/trust_digests").to_pylist()
    if not digests:
        return ()
    span: dict[str, Any] = {"since": since, "until": until}
    verdicts = tables.table(engine, VERDICTS, voice=voice, **span)
    events = sum(_count(row["events"]) for row in verdicts.rows)
    verified = sum(_count(row["events"]) for row in verdicts.rows if row["verdict"] == "valid")
    evidence = _evidence(engine, entries, **span)
    spans = tables.table(engine, SPANS, voice=voice, top=top, **span)
    cells = tables.table(engine, CELLS, voice=voice, top=top, **span)
    broken = sum(row["digests"] for row in digests if row["verdict"] != "valid")
    sentences = [voice.say("trust.events", part=_part(voice, verified, events))]
    if broken:
        sentences.append(voice.many("trust.bad_digests", broken))
    if evidence["events"]:
        part = _part(voice, evidence["verified"], evidence["events"])
        sentences.append(voice.say("trust.evidence", part=part))
    if spans.found:
        sentences.append(voice.say("trust.look"))
    facts = (
        fact(voice, "verified_events", verified, "count"),
        fact(voice, "verified_evidence", evidence["verified"], "count"),
        fact(voice, "digests", sum(row["digests"] for row in digests), "count"),
        fact(voice, "digests_invalid", broken, "count"),
        fact(voice, "validated_at", max(row["validated_at"] for row in digests), "time"),
        fact(voice, "keys_from", digests[0]["keys_from"], "code"),
    )
    shown = tuple(found for found in (spans, verdicts, cells) if found.rows)
    return (Section("trust", voice.say("titles.trust"), tuple(sentences), facts, tables=shown),)


def _evidence(
    engine: Engine, entries: Sequence[Entry], *, since: dt.datetime, until: dt.datetime
) -> dict[str, Any]:
    ids = sorted({one for entry in entries for one in entry.event_ids})
    if not ids:
        return {"events": 0, "verified": 0}
    first = min([since, *(entry.started_at for entry in entries)]) - _DAY
    last = max([until, *(entry.ended_at for entry in entries if entry.ended_at)])
    found: dict[str, Any] = engine.run(
        "reporting/trust_evidence", since=first, until=last, event_ids=ids
    ).to_pylist()[0]
    return found


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _part(voice: Voice, part: int, whole: int) -> str:
    return voice.say("trust.part", part=part, whole=whole)
