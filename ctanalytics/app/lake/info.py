"""What a lake holds: tables with their rows, files and bytes, and the span of its events."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa

from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import FORMAT_VERSION, TABLES


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table."""

    name: str
    rows: int
    files: int
    size_bytes: int
    version: int
    columns: int


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


def info(lake: Lake) -> LakeInfo:
    """Return what a lake holds, from the tables' logs alone: no data file is opened."""
    tables: list[TableInfo] = []
    first: list[dt.datetime] = []
    last: list[dt.datetime] = []
    dates: set[dt.date] = set()
    for name, spec in TABLES.items():
        table = lake.table(name)
        actions = pa.table(table.get_add_actions(flatten=True))
        rows = actions.to_pylist()
        tables.append(
            TableInfo(
                name,
                sum(row["num_records"] or 0 for row in rows),
                len(rows),
                sum(row["size_bytes"] for row in rows),
                table.version(),
                len(spec.schema),
            )
        )
        if name == "events":
            first = [row["min.event_time"] for row in rows if row.get("min.event_time")]
            last = [row["max.event_time"] for row in rows if row.get("max.event_time")]
            dates = {row["partition.event_date"] for row in rows}
    return LakeInfo(
        uri=lake.uri,
        format_version=FORMAT_VERSION,
        created_at=lake.created_at,
        first_event=min(first, default=None),
        last_event=max(last, default=None),
        dates=len(dates),
        plans=lake.ingest_version("events"),
        unfinished_plans=sum(
            1 for path in lake.store.list("plans/") if not path.endswith(".result.json")
        ),
        tables=tables,
    )
