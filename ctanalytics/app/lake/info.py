"""What a lake holds, the state its files are in, and what to do about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics.lake import candidates, maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import FORMAT_VERSION, TABLES
from ctanalytics.lake.maintenance import Snapshot
from ctanalytics.records.schema import UNDATED
from ctanalytics.settings import Care, Settings

_CARES: Final = ("compact", "expire", "vacuum")


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table."""

    name: str
    rows: int
    files: int
    size_bytes: int
    version: int
    columns: int
    small_files: int
    """Files below half of `care.file_bytes`."""


@dataclass(frozen=True, slots=True)
class LakeInfo:
    """A lake as a whole."""

    uri: str
    format_version: int
    created_at: dt.datetime
    first_event: dt.datetime | None
    last_event: dt.datetime | None
    dates: int
    plans: int
    """Ingest plans that all tables have."""
    unfinished_plans: int
    tables: list[TableInfo]
    open_dates: int
    """Dates of events that have not ended long enough ago to be sorted for good."""
    closed_dates: int
    to_sort: int
    """Closed dates, of all tables, that `compact` would sort."""
    to_merge: int
    """Groups of small files that `compact` would join."""
    bytes_per_event: float | None
    last: dict[str, str | None] = field(default_factory=dict)
    """When compact, expire and vacuum last ended."""
    advice: list[str] = field(default_factory=list)
    """What to do next."""


def info(
    lake: Lake, *, settings: Settings | None = None, now: dt.datetime | None = None
) -> LakeInfo:
    """Return what a lake holds, from the tables' logs alone: no data file is opened."""
    care = (settings or Settings()).care
    moment = now or dt.datetime.now(dt.UTC)
    seen = {name: maintenance.snapshot(lake, name) for name in TABLES}
    events = seen["events"].files
    dates = {file.date for file in events if file.date is not None}
    opened = sum(1 for date in dates if candidates.is_open(date, moment, care))
    work = [task for one in seen.values() for task in candidates.tasks(one, moment, care)]
    rows = sum(file.rows for file in events)
    unfinished = sum(1 for path in lake.store.list("plans/") if not path.endswith(".result.json"))
    last = {what: maintenance.remembered(lake, what) for what in _CARES}
    return LakeInfo(
        uri=lake.uri,
        format_version=FORMAT_VERSION,
        created_at=lake.created_at,
        first_event=min((x.since for x in events if x.since and x.date != UNDATED), default=None),
        last_event=max((x.until for x in events if x.until and x.date != UNDATED), default=None),
        dates=len(dates),
        plans=seen["events"].ingested,
        unfinished_plans=unfinished,
        tables=[_table(one, care) for one in seen.values()],
        open_dates=opened,
        closed_dates=len(dates) - opened,
        to_sort=sum(1 for task in work if task.why == candidates.CLOSE),
        to_merge=sum(1 for task in work if task.why != candidates.CLOSE),
        bytes_per_event=round(sum(x.size_bytes for x in events) / rows, 1) if rows else None,
        last={what: found.get("at") if found else None for what, found in last.items()},
        advice=_advice(work, unfinished, last),
    )


def _table(seen: Snapshot, care: Care) -> TableInfo:
    return TableInfo(
        name=seen.table,
        rows=sum(file.rows for file in seen.files),
        files=len(seen.files),
        size_bytes=sum(file.size_bytes for file in seen.files),
        version=seen.version,
        columns=len(TABLES[seen.table].schema),
        small_files=sum(1 for file in seen.files if file.size_bytes < care.file_bytes // 2),
    )


def _advice(
    work: Sequence[candidates.Task],
    unfinished: int,
    last: Mapping[str, Mapping[str, Any] | None],
) -> list[str]:
    advice = []
    if unfinished:
        advice.append(
            f"{unfinished} ingest plans have not come to their end: if no ingest is at work, run "
            "`ctanalytics ingest`"
        )
    if work:
        files = sum(len(task.files) for task in work)
        advice.append(f"{files} files are worth writing anew: run `ctanalytics lake compact`")
    removed = max(str((last[what] or {}).get("at", "")) for what in ("compact", "expire"))
    vacuumed = str((last["vacuum"] or {}).get("at", ""))
    if removed > vacuumed:
        advice.append(
            "files that were replaced or expired lie on disk until `ctanalytics lake vacuum`"
        )
    return advice
