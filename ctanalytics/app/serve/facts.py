"""What pages tell of a lake as a whole: its span, its days, what was found on each."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ctanalytics.app.incidents.listing import list_incidents
from ctanalytics.app.lake.info import LakeInfo, info
from ctanalytics.engines.duckdb import Engine
from ctanalytics.findings import SEVERITIES
from ctanalytics.lake import maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.records.schema import UNDATED
from ctanalytics.reporting import anomalies
from ctanalytics.reporting.document import Entry, Incident, LakeFacts
from ctanalytics.reporting.incidents import incidents
from ctanalytics.reporting.voice import Voice

DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """A UTC day of the lake."""

    date: dt.date
    events: int
    severities: Mapping[str, int]
    """Anomalies that began on it, the gravest first; only severities that there are."""
    incidents: int
    stored_bytes: int | None
    """Size of the report that a night stored; none when there is none."""


def newest_event(lake: Lake) -> dt.datetime:
    """Return when the newest event happened; of an empty lake when it was made."""
    return info(lake).last_event or lake.created_at


def lake_facts(found: LakeInfo) -> LakeFacts:
    """Return what reports tell of the lake itself."""
    return LakeFacts(
        location=found.uri,
        size_bytes=sum(table.size_bytes for table in found.tables),
        files=sum(table.files for table in found.tables),
    )


def covered(found: LakeInfo) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the span that the lake has events of."""
    if found.first_event is None or found.last_event is None:
        return None
    return found.first_event, found.last_event


def days_of(
    lake: Lake,
    *,
    last: int,
    rows: Iterable[Mapping[str, Any]],
    told: Iterable[Incident],
    stored: Mapping[dt.date, int],
) -> list[Day]:
    """Return the newest days that have events or a stored report, the newest first.

    Args:
        last: how many.
        rows: anomalies that are not withdrawn.
        told: incidents.
        stored: the days that have a stored report, with its size in bytes.
    """
    events: Counter[dt.date] = Counter()
    for file in maintenance.snapshot(lake, "events").files:
        if file.date is not None and file.date != UNDATED:
            events[file.date] += file.rows
    found = Counter((_date(row), row["severity"]) for row in rows)
    begun = Counter(one.started_at.astimezone(dt.UTC).date() for one in told)
    return [
        Day(
            date,
            events[date],
            {one: found[date, one] for one in reversed(SEVERITIES) if found[date, one]},
            begun[date],
            stored.get(date),
        )
        for date in sorted({*events, *stored}, reverse=True)[:last]
    ]


def _date(row: Mapping[str, Any]) -> dt.date:
    started: dt.datetime = row["started_at"]
    return started.astimezone(dt.UTC).date()


def anomalies_of(
    lake: Lake, voice: Voice, *, since: dt.datetime, until: dt.datetime
) -> list[dict[str, Any]]:
    """Return the anomalies that touch a span, the gravest first, in the voice's language."""
    with lake.engine() as engine:
        rows = anomalies.ranked(engine, since=since, until=until)
    live = [row for row in rows if row["state"] != "withdrawn"]
    texts = anomalies.retold(live, voice)
    return [row | {"title": texts[row["anomaly_id"]].title} for row in live]


def incidents_of(
    lake: Lake, voice: Voice, *, since: dt.datetime, until: dt.datetime
) -> list[Incident]:
    """Return the incidents that touch a span as reports tell them, the gravest first."""
    rows = [
        row
        for row in list_incidents(lake, since=since, until=until)
        if row["closed_because"] != "withdrawn"
    ]
    with lake.engine() as engine:
        return list(told(engine, rows, voice)[0])


def told(
    engine: Engine,
    rows: list[dict[str, Any]],
    voice: Voice,
    *,
    span: tuple[dt.datetime, dt.datetime] | None = None,
) -> tuple[tuple[Incident, ...], tuple[Entry, ...]]:
    """Tell incidents, and their anomalies as entries where a span that the lake covers is given."""
    if not rows:
        return (), ()
    known = {one for row in rows for one in row["anomaly_ids"]}
    since = min(row["started_at"] for row in rows)
    until = max(row["ended_at"] or row["detected_at"] for row in rows) + DAY
    members = [
        row
        for row in anomalies.ranked(engine, since=since - DAY, until=until)
        if row["anomaly_id"] in known
    ]
    texts = anomalies.retold(members, voice)
    entries = (
        anomalies.entries(engine, members, texts, voice, covered=span) if span is not None else ()
    )
    return incidents(engine, rows, entries, texts, voice), entries
