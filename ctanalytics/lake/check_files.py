"""Is a table what its log says: its files are there, whole, of its columns, and of their date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics.errors import LakeError
from ctanalytics.lake import layout, maintenance
from ctanalytics.lake.maintenance import DataFile, Snapshot
from ctanalytics.lake.store import Store
from ctanalytics.records.schema import UNDATED

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake

_AT_ONCE: Final = 16
_WAITING: Final = 256
_CHECKPOINT_EVERY: Final = 20
_RETRIEVE: Final = (
    "restore that file from a copy of the lake; or take its date out and read it again: "
    "`ctanalytics ingest --reingest`"
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something of a lake that is not as it should be."""

    check: str
    table: str
    where: str
    what: str
    mend: str


def table_flaws(lake: Lake, seen: Snapshot, *, deep: bool) -> Iterator[Flaw]:
    """Yield what is wrong with a table's files.

    Args:
        deep: read every file to its end, not just its footer.
    """
    yield from _log_flaws(lake, seen)
    root = f"{layout.table_path(seen.table)}/"
    sizes = {entry.path.removeprefix(root): entry.size_bytes for entry in lake.store.entries(root)}
    there = []
    for file in seen.files:
        size = sizes.get(file.path)
        if size is None:
            yield _flaw("file", seen, file, "the file is not there", _RETRIEVE)
        elif size != file.size_bytes:
            what = f"the file has {size} bytes, and the table's log says {file.size_bytes}"
            yield _flaw("file", seen, file, what, _RETRIEVE)
        else:
            there.append(file)
    waiting = iter(there)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        lacking = lake.lacking(seen.table)

        def flaws_of(file: DataFile) -> list[Flaw]:
            place = lake.store.location(f"{layout.table_path(seen.table)}/{file.path}")
            return _file_flaws(lake.store, seen, file, deep, lacking.get(place, ()))

        while some := list(islice(waiting, _WAITING)):
            for found in threads.map(flaws_of, some):
                yield from found


def _log_flaws(lake: Lake, seen: Snapshot) -> Iterator[Flaw]:
    table = lake.table(seen.table)
    stated = pa.schema(table.schema().to_arrow())
    wanted = layout.TABLES[seen.table].schema
    odd = sorted(
        name
        for name in {*stated.names, *wanted.names}
        if name not in stated.names
        or name not in wanted.names
        or stated.field(name).type != wanted.field(name).type
    )
    if odd:
        yield Flaw(
            "columns",
            seen.table,
            lake.uri,
            f"the table's columns are not those of this version: {', '.join(odd)}",
            "use the version of ctanalytics that wrote the lake",
        )
    if table.protocol().min_reader_version > 1:
        yield Flaw(
            "protocol",
            seen.table,
            lake.uri,
            f"the table asks for Delta readers of version {table.protocol().min_reader_version}",
            "somebody else has changed the table's properties: undo that",
        )
    log = lake.store.list(f"{layout.table_path(seen.table)}/_delta_log/")
    if seen.version >= 2 * _CHECKPOINT_EVERY and not any("checkpoint" in path for path in log):
        yield Flaw(
            "checkpoint",
            seen.table,
            lake.uri,
            f"after {seen.version} commits the table has no checkpoint",
            "check that files may be written below the lake; the next commits make one",
        )


def _file_flaws(
    store: Store, seen: Snapshot, file: DataFile, deep: bool, lacking: Sequence[str]
) -> list[Flaw]:
    path = f"{layout.table_path(seen.table)}/{file.path}"
    try:
        with store.open_parquet(path) as opened:
            found = list(_footer_flaws(seen, file, opened, lacking))
            if deep and not found:
                rows = sum(len(batch) for batch in opened.iter_batches(16_384))
                if rows != file.rows:
                    found.append(_flaw("rows", seen, file, f"{rows} rows can be read", _RETRIEVE))
    except (pa.ArrowException, OSError, ValueError, LakeError) as error:
        return [_flaw("file", seen, file, f"the file can't be read: {error}", _RETRIEVE)]
    return found


def _footer_flaws(
    seen: Snapshot, file: DataFile, opened: pq.ParquetFile, lacking: Sequence[str]
) -> Iterator[Flaw]:
    footer = opened.metadata
    if footer.num_rows != file.rows:
        what = f"the file has {footer.num_rows} rows, and the table's log says {file.rows}"
        yield _flaw("rows", seen, file, what, _RETRIEVE)
    columns = opened.schema_arrow
    wanted = layout.TABLES[seen.table].file_schema()
    odd = [
        column.name
        for column in wanted
        if (column.name not in columns.names and column.name not in lacking)
        or (column.name in columns.names and columns.field(column.name).type != column.type)
    ]
    if odd:
        what = f"columns are missing or of another type: {', '.join(odd)}"
        yield _flaw("columns", seen, file, what, "compact the lake: `ctanalytics lake compact`")
    since, until = _span(footer, columns.names)
    if since is None or until is None:
        return
    outside = (file.since and since < file.since) or (file.until and until > file.until)
    if outside:
        what = f"it has times from {since} to {until}, outside of what the table's log says"
        yield _flaw("statistics", seen, file, what, _RETRIEVE)
    if file.date is not None and file.date != UNDATED:
        start = dt.datetime.combine(file.date, dt.time(), dt.UTC)
        if since < start or until >= start + dt.timedelta(days=1):
            what = f"it has times from {since} to {until}, which are not of its date"
            yield _flaw("date", seen, file, what, _RETRIEVE)


def _span(
    footer: pq.FileMetaData, names: list[str]
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The least and greatest event_time that a file's footer states."""
    if "event_time" not in names:
        return None, None
    place = next(
        (
            number
            for number in range(footer.num_columns)
            if footer.schema.column(number).path == "event_time"
        ),
        None,
    )
    ends: list[tuple[dt.datetime, dt.datetime]] = []
    for group in range(footer.num_row_groups if place is not None else 0):
        found = footer.row_group(group).column(place).statistics
        if found is None or not found.has_min_max:
            return None, None
        ends.append((found.min, found.max))
    return min((end[0] for end in ends), default=None), max((end[1] for end in ends), default=None)


def _flaw(check: str, seen: Snapshot, file: DataFile, what: str, mend: str) -> Flaw:
    return Flaw(check, seen.table, file.path, what, mend)


def snapshots(lake: Lake) -> dict[str, Snapshot]:
    """Return all tables as of now, `events` first: what it has, the others have too."""
    return {name: maintenance.snapshot(lake, name) for name in reversed(layout.TABLES)}
