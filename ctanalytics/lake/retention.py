"""What of a table is older than a day: whole files by their date, else rows of files by a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.lake import compacted
from ctanalytics.lake.layout import TABLES
from ctanalytics.lake.maintenance import DataFile, Snapshot, merged_prefix
from ctanalytics.lake.store import Store
from ctanalytics.records.schema import UNDATED
from ctanalytics.settings import Care

RECORDS: Final = (
    "events",
    "event_conflicts",
    "aws_insights",
    "aggregated_events",
    "config_items",
    "quarantine",
)
"""Tables with what log files hold; the last has the bytes of what could not become rows."""

LEDGER: Final = ("log_files", "duplicates", "file_verdicts")
"""Tables about log files."""

FINDINGS: Final = ("anomalies", "anomaly_traits", "incidents", "outbox", "runs")
"""Tables with what detectors found, what was made of it, where it was sent, and by which nights."""

_TIMES: Final = {
    "quarantine": ("quarantined_at",),
    "config_items": ("capture_time",),
    "log_files": ("delivery_date", "ingested_at"),
    "duplicates": ("day",),
    "file_verdicts": ("delivered_at", "covers_until", "validated_at"),
    "anomalies": ("ended_at", "detected_at"),
    "anomaly_traits": ("read_at",),
    "incidents": ("ended_at", "detected_at"),
    "outbox": ("at",),
    "runs": ("at",),
}
"""The columns that tell a row's age in tables without dates; the first that is not null counts."""


@dataclass(frozen=True, slots=True)
class Old:
    """What of a table is to go."""

    table: str
    removes: tuple[DataFile, ...]
    rows: int
    kept: dict[str, pa.Table] = field(default_factory=dict)
    """By path: rows of removed files that are not old."""
    undated: int = 0
    """Rows without a believable time, which stay."""

    @property
    def size_bytes(self) -> int:
        """Bytes of the files that go."""
        return sum(file.size_bytes for file in self.removes)


def old(seen: Snapshot, store: Store, before: dt.date, *, undated: bool) -> Old:
    """Find what is older than a day.

    Args:
        before: the first day that stays.
        undated: whether rows without a believable time are old.
    """
    if not TABLES[seen.table].partitioned:
        return _old_rows(seen, store, before)
    removes = tuple(
        file
        for file in seen.files
        if file.date is not None and file.date < before and (undated or file.date != UNDATED)
    )
    spared = 0 if undated else sum(file.rows for file in seen.files if file.date == UNDATED)
    return Old(seen.table, removes, sum(file.rows for file in removes), undated=spared)


def _old_rows(seen: Snapshot, store: Store, before: dt.date) -> Old:
    removes: list[DataFile] = []
    kept: dict[str, pa.Table] = {}
    gone = 0
    for file in seen.files:
        rows = pa.concat_tables(compacted.read(store, seen.table, [file.path]))
        stays = rows.filter(_is_young(rows, _TIMES[seen.table], before))
        if len(stays) == len(rows):
            continue
        gone += len(rows) - len(stays)
        removes.append(file)
        if len(stays):
            kept[file.path] = stays
    return Old(seen.table, tuple(removes), gone, kept)


def _is_young(rows: pa.Table, columns: tuple[str, ...], before: dt.date) -> pa.ChunkedArray:
    dates = [
        rows[name].cast(pa.timestamp("us", "UTC")) for name in columns if name in rows.schema.names
    ]
    start = dt.datetime.combine(before, dt.time(), dt.UTC)
    return pc.fill_null(pc.greater_equal(pc.coalesce(*dates), pa.scalar(start)), True)


def written_again(found: Old, store: Store, care: Care) -> list[dict[str, Any]]:
    """Write the rows that stay of files that go; see `maintenance.replace`."""
    return [add for file in found.removes for add in _adds(found, file, store, care)]


def _adds(found: Old, file: DataFile, store: Store, care: Care) -> Iterator[dict[str, Any]]:
    rows = found.kept.get(file.path)
    if rows is None:
        return
    writer = compacted.Writer(
        store=store,
        table=found.table,
        date=None,
        prefix=merged_prefix(file.level),
        rows_per_file=len(rows),
        group_rows=care.group_rows,
        level=1,
    )
    with writer:
        writer.write(rows.unify_dictionaries())
    yield from writer.adds
