"""The report's section on trust: how much of it is proved, and where the lake is blind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import tables
from ctanalytics.reporting.document import Column, Entry, Fact, Section
from ctanalytics.reporting.tables import Layout

_DAY = dt.timedelta(days=1)

CELLS = Layout(
    "completeness_cells",
    "Hours by what is known of them",
    (
        Column("account_id", "Account", "code"),
        Column("aws_region", "Region", "code"),
        Column("complete", "Complete", "count"),
        Column("quiet", "Quiet", "count"),
        Column("unproved", "Unproved", "count"),
        Column("incomplete", "Incomplete", "count"),
        Column("stopped", "Stopped", "count"),
        Column("unknown", "Unknown", "count"),
        Column("files_not_held", "Files not held", "count"),
        Column("files_altered", "Altered", "count"),
        Column("files_unlisted", "Unlisted", "count"),
        Column("late_files", "Late", "count"),
    ),
)
SPANS = Layout(
    "completeness_spans",
    "Hours that somebody should look at",
    (
        Column("account_id", "Account", "code"),
        Column("aws_region", "Region", "code"),
        Column("trouble", "What", "text"),
        Column("started_at", "From", "time"),
        Column("ended_at", "To", "time"),
        Column("hours", "Hours", "count"),
    ),
)
VERDICTS = Layout(
    "trust_verdicts",
    "Events by the verdict of their log file",
    (
        Column("verdict", "Verdict", "text"),
        Column("events", "Events", "count", bar=True),
        Column("log_files", "Log files", "count"),
    ),
)


def sections(
    engine: Engine,
    entries: Sequence[Entry],
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
    verdicts = tables.table(engine, VERDICTS, since=since, until=until)
    events = sum(_count(row["events"]) for row in verdicts.rows)
    verified = sum(_count(row["events"]) for row in verdicts.rows if row["verdict"] == "valid")
    evidence = _evidence(engine, entries, since=since, until=until)
    spans = tables.table(engine, SPANS, since=since, until=until, top=top)
    cells = tables.table(engine, CELLS, since=since, until=until, top=top)
    sentences = [
        f"{_part(verified, events)} events of this span come from log files that a signed digest "
        "vouches for."
    ]
    if evidence["events"]:
        sentences.append(
            f"Of the evidence listed with the anomalies, {_part(evidence['verified'], evidence['events'])} "
            "events do."
        )
    if spans.found:
        sentences.append(
            "Some hours are stopped, incomplete or unusually silent: see below before you take "
            "their quiet for peace."
        )
    facts = (
        Fact("verified_events", "Verified events", verified, "count"),
        Fact("verified_evidence", "Verified evidence", evidence["verified"], "count"),
        Fact("digests", "Digest files", sum(row["digests"] for row in digests), "count"),
        Fact(
            "digests_invalid",
            "Digest files that do not hold",
            sum(row["digests"] for row in digests if row["verdict"] != "valid"),
            "count",
        ),
        Fact("validated_at", "Validated", max(row["validated_at"] for row in digests), "time"),
        Fact("keys_from", "With keys from", digests[0]["keys_from"], "code"),
    )
    shown = tuple(found for found in (spans, verdicts, cells) if found.rows)
    return (Section("trust", "Can the logs be trusted", tuple(sentences), facts, tables=shown),)


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


def _part(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"
