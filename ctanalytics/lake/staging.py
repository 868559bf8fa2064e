"""Decoded rows on their way to their dates: Arrow files in the lake's staging folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.lake.layout import PARTITION, TABLES
from ctanalytics.lake.store import Store

_PACKED: Final = pa.ipc.IpcWriteOptions(compression="lz4")
_OPEN: Final = pa.ipc.IpcWriteOptions()

SCRATCH: Final = "staging/run-"
"""How the folders of runs begin that commit nothing of what is in them."""


def folder(plan_id: int) -> str:
    """Return the folder of a plan's staged rows."""
    return f"staging/{plan_id:012d}/"


def stage(
    store: Store, plan_id: int, name: str, tables: dict[str, pa.Table]
) -> list[dict[str, Any]]:
    """Write rows apart by table and date.

    A local lake's files are not compressed and not synced, so that they are mapped, not read, and
    may never reach the disk: 0.4 us a row where the other way costs 1.7.

    Args:
        name: unique to the part and the attempt.
        tables: rows by table name; partitioned ones are cut by event_date.

    Returns:
        A manifest for each file: table, date (ISO text or None), path, rows, bytes (in memory).
    """
    manifests = []
    options = _OPEN if store.is_local else _PACKED
    for table, rows in tables.items():
        for date, slice_ in _by_date(rows, TABLES[table].partitioned):
            path = f"{folder(plan_id)}{name}-{table}-{date or 'all'}.arrow"
            whole = slice_.unify_dictionaries()
            with (
                store.create(path, durable=False) as file,
                pa.ipc.new_file(file, whole.schema, options=options) as writer,
            ):
                writer.write_table(whole)
            manifests.append(
                {
                    "table": table,
                    "date": date,
                    "path": path,
                    "rows": len(slice_),
                    "bytes": whole.nbytes,
                }
            )
    return manifests


def read(store: Store, paths: Sequence[str], columns: pa.Schema) -> pa.Table:
    """Read staged rows back, in the order of the paths."""
    tables = [pa.ipc.open_file(store.buffer(path)).read_all() for path in paths]
    return pa.concat_tables(tables).unify_dictionaries() if tables else columns.empty_table()


def _by_date(rows: pa.Table, partitioned: bool) -> Iterator[tuple[str | None, pa.Table]]:
    if not rows.num_rows:
        return
    if not partitioned:
        yield None, rows
        return
    days = rows[PARTITION].cast(pa.int32()).to_numpy()
    cuts = _cuts(days)
    if len(cuts) - 1 > len(np.unique(days)):
        # A stable sort: rows of one day keep the order of their objects.
        order = np.argsort(days, kind="stable")
        rows, days = rows.unify_dictionaries().take(pa.array(order)), days[order]
        cuts = _cuts(days)
    for start, end in pairwise(cuts):
        date = dt.date(1970, 1, 1) + dt.timedelta(days=int(days[start]))
        yield date.isoformat(), rows.slice(start, end - start).drop_columns([PARTITION])


def _cuts(days: npt.NDArray[np.int32]) -> list[int]:
    """Where one day ends and another begins, both ends of the table included."""
    return [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]


def by_time(rows: pa.Table, places: pa.Array | None = None) -> pa.Array:
    """Return places of rows sorted by their time; equal times, and tables without, as they are.

    Args:
        places: which of the rows; none: all.
    """
    chosen = np.arange(rows.num_rows) if places is None else places.to_numpy()
    time = time_column(rows.schema)
    if time:
        moments = rows[time].combine_chunks().cast(pa.int64()).fill_null(-1).to_numpy()
        chosen = chosen[np.argsort(moments[chosen], kind="stable")]
    return pa.array(chosen)


def time_column(columns: pa.Schema) -> str | None:
    """Return the column that tells the time of a table's rows, by which copies are looked for."""
    return next((name for name in ("event_time", "capture_time") if name in columns.names), None)


def span(rows: pa.Table) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Return the least and greatest time; (None, None) when there is none."""
    time = time_column(rows.schema)
    if time is None:
        return None, None
    ends = pc.min_max(rows[time])
    return ends["min"].as_py(), ends["max"].as_py()
