"""Which files of a table are worth writing anew, and as what. Pure: files in, work out.

A date is open until some hours after its end. Its many small files are merged when there are too
many of them, and stay in the order of time. A closed date is written once, sorted for questions
about one principal. What comes later than that is merged among itself, until it is so much that
the date is sorted again.

Merged files have a level in their names: of one level are written again only together, so a row is
written again as often as there are levels, not as often as there are ingests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ctanalytics.lake.layout import PARTITION, TABLES
from ctanalytics.lake.maintenance import DataFile, Snapshot, closed_prefix, merged_prefix
from ctanalytics.settings import Care

CLOSE: Final = "close"
MERGE: Final = "merge"
LATE: Final = "late"

SORTED: Final = frozenset(("events", "event_conflicts"))
"""Tables whose closed dates are sorted even when they are one file."""

_TIMES: Final = ("event_time", "window_start")
_UNDATED_ORDER: Final = {
    "log_files": ("bucket", "key", "plan_id"),
    "config_items": ("resource_type", "resource_id", "capture_time"),
}
_QUICK_LEVEL: Final = 1
"""zstd level of what will be written again."""


@dataclass(frozen=True, slots=True)
class Task:
    """Files to write anew together."""

    table: str
    date: dt.date | None
    why: str
    files: tuple[DataFile, ...]
    prefix: str
    order: tuple[str, ...]
    level: int

    @property
    def rows(self) -> int:
        """Rows of all the files."""
        return sum(file.rows for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes of all the files."""
        return sum(file.size_bytes for file in self.files)


def is_open(date: dt.date, now: dt.datetime, care: Care) -> bool:
    """Tell whether events of a date are still expected to come in numbers."""
    end = dt.datetime.combine(date, dt.time(), dt.UTC) + dt.timedelta(days=1)
    return now < end + dt.timedelta(hours=care.closes_after_hours)


def tasks(seen: Snapshot, now: dt.datetime, care: Care, *, rewrite: bool = False) -> Iterator[Task]:
    """Yield what a table's files call for, the oldest date first.

    Args:
        rewrite: sort all closed dates again, whatever state they are in.
    """
    for date, files in by_date(seen.files):
        if date is None:
            yield from _merged(seen.table, None, files, care.open_files, care, MERGE)
        elif is_open(date, now, care):
            yield from _merged(seen.table, date, files, care.open_files, care, MERGE)
        else:
            yield from _closed(seen.table, date, files, care, rewrite=rewrite)


def by_date(files: Iterable[DataFile]) -> Iterator[tuple[dt.date | None, list[DataFile]]]:
    """Group files by their date, in its order."""
    found = sorted(files, key=lambda file: (file.date or dt.date.min, file.path))
    for date, group in groupby(found, key=lambda file: file.date):
        yield date, list(group)


def _closed(
    table: str, date: dt.date, files: list[DataFile], care: Care, *, rewrite: bool
) -> Iterator[Task]:
    base = [file for file in files if file.is_closed]
    late = [file for file in files if not file.is_closed]
    if not base and not rewrite and len(files) == 1 and table not in SORTED:
        return  # one file is as good as another
    known = sum(file.rows for file in base)
    if rewrite or (late and sum(file.rows for file in late) > care.late_share * known):
        order = _fitting(table, care.sort) or _by_time(table)
        yield Task(table, date, CLOSE, tuple(files), closed_prefix(), order, care.zstd_level)
        return
    yield from _merged(table, date, late, care.late_files, care, LATE)


def _merged(
    table: str, date: dt.date | None, files: list[DataFile], limit: int, care: Care, why: str
) -> Iterator[Task]:
    """Merge files when there are more than a limit: of the lowest levels as many as it takes."""
    small = [file for file in files if file.size_bytes < care.file_bytes // 2]
    if len(small) <= limit:
        return
    top = max(file.level for file in small)
    for level in range(top + 1):
        chosen = [file for file in small if file.level <= level]
        if len(chosen) > 1 and len(small) - len(chosen) < limit:
            break
    order = _by_time(table) if TABLES[table].partitioned else _UNDATED_ORDER.get(table, ())
    prefix = merged_prefix(level + 1)
    yield Task(table, date, why, _in_time(chosen), prefix, order, _QUICK_LEVEL)


def _in_time(files: Sequence[DataFile]) -> tuple[DataFile, ...]:
    """The order in which rows without a sort key of their own are to stay."""
    first = dt.datetime.min.replace(tzinfo=dt.UTC)
    return tuple(sorted(files, key=lambda file: (file.since or first, file.modified, file.path)))


def _by_time(table: str) -> tuple[str, ...]:
    return _fitting(table, _TIMES)


def _fitting(table: str, columns: Iterable[str]) -> tuple[str, ...]:
    names = TABLES[table].schema.names
    return tuple(name for name in columns if name in names and name != PARTITION)
