"""Decoded rows on their way to their dates: Arrow files in the lake's staging folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.lake.layout import PARTITION, TABLES
from ctanalytics.lake.store import Store

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def folder(plan_id: int) -> str:
    """Return the folder of a plan's staged rows."""
    return f"staging/{plan_id:012d}/"


def stage(
    store: Store, plan_id: int, name: str, tables: dict[str, pa.Table]
) -> list[dict[str, Any]]:
    """Write rows apart by table and date.

    Args:
        name: unique to the part and the attempt.
        tables: rows by table name; partitioned ones are cut by event_date.

    Returns:
        A manifest for each file: table, date (ISO text or None), path, rows.
    """
    manifests = []
    for table, rows in tables.items():
        for date, slice_ in _by_date(rows, TABLES[table].partitioned):
            path = f"{folder(plan_id)}{name}-{table}-{date or 'all'}.arrow"
            sink = pa.BufferOutputStream()
            with pa.ipc.new_file(sink, slice_.schema, options=_OPTIONS) as writer:
                writer.write_table(slice_)
            store.write(path, sink.getvalue())
            manifests.append({"table": table, "date": date, "path": path, "rows": len(slice_)})
    return manifests


def read(store: Store, paths: Sequence[str], columns: pa.Schema) -> pa.Table:
    """Read staged rows back, in the order of the paths."""
    tables = [pa.ipc.open_file(pa.py_buffer(store.read(path))).read_all() for path in paths]
    return pa.concat_tables(tables) if tables else columns.empty_table()


def _by_date(rows: pa.Table, partitioned: bool) -> Iterator[tuple[str | None, pa.Table]]:
    if not rows.num_rows:
        return
    if not partitioned:
        yield None, rows
        return
    # pyarrow's sort is stable: rows of one moment keep the order of their objects.
    days = rows[PARTITION].cast(pa.int32()).to_numpy()
    if (np.diff(days) < 0).any():
        order = np.argsort(days, kind="stable")
        rows, days = rows.take(pa.array(order)), days[order]
    cuts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    for start, end in pairwise(cuts):
        date = dt.date(1970, 1, 1) + dt.timedelta(days=int(days[start]))
        yield date.isoformat(), rows.slice(start, end - start).drop_columns([PARTITION])


def sorted_by_time(rows: pa.Table) -> pa.Table:
    """Sort by event_time, keeping the order of equal times; tables without one stay as they are."""
    if "event_time" not in rows.column_names or not rows.num_rows:
        return rows
    moments = rows["event_time"].combine_chunks().cast(pa.int64()).fill_null(-1)
    values = moments.to_numpy(zero_copy_only=False)
    if (np.diff(values) >= 0).all():
        return rows
    return rows.take(pa.array(np.argsort(values, kind="stable")))


def span(rows: pa.Table) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Return the least and greatest event_time; (None, None) when there is none."""
    if "event_time" not in rows.column_names:
        return None, None
    ends = pc.min_max(rows["event_time"])
    return ends["min"].as_py(), ends["max"].as_py()
