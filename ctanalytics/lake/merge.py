"""Staged rows of one table and date -> a Parquet file, sorted and without what the lake has."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctanalytics.lake import parquet_files, replacing, staging
from ctanalytics.lake.deduplicate import KEY_COLUMNS, distinct, keys, split, summed
from ctanalytics.lake.layout import PARTITION, TABLES, table_path
from ctanalytics.lake.parquet_files import statistic
from ctanalytics.lake.store import Store, store_from

_ROW_GROUP: Final = 100_000
_GROUP_BYTES: Final = 256 * 1024 * 1024
_DIGITS: Final = tuple("0123456789abcdef")
_SLACK: Final = dt.timedelta(seconds=1)


def merge(part: dict[str, Any]) -> dict[str, Any]:
    """Make the files of one table and date; a worker's task, see `engines.executor`.

    Args:
        part: store (its spec), plan_id, table, date (ISO text or None), staged (manifests of
            `staging.stage`, in the order of their objects), existing and conflicts (files of the
            same date that the lake has: path, since and until of their event times or None),
            merge_bytes (of staged rows that are merged into one file), replaced (where the names
            of objects are whose older rows go, or None), share (which of how many: see
            `shares`).

    Returns:
        adds (by table: what `Lake.commit_plan` takes), rows (by table), duplicates, repeats (a
        staged file of the objects that duplicates came from, or None).
    """
    merged = _Merged(dict(part, existing=list(part["existing"]), conflicts=list(part["conflicts"])))
    for paths in _groups(part["staged"], part["merge_bytes"] * part["share"][1]):
        merged.take(paths)
    return {
        "adds": merged.adds,
        "rows": merged.rows,
        "duplicates": merged.duplicates,
        "repeats": merged.stage_repeats(),
    }


def shares(table: str, size: int, merge_bytes: int) -> int:
    """Tell in how many shares the rows of one date are merged, each by a task of its own.

    A share has the events whose ids begin with some of the sixteen digits: copies of one event are
    in the same share. So a plan of a live trail, all of one date, keeps more than one worker busy.

    Args:
        size: bytes of the staged rows.
    """
    if table != "events":
        return 1
    wanted = max(1, math.ceil(size / merge_bytes))
    return min(1 << (wanted - 1).bit_length(), len(_DIGITS))


def _read(store: Store, paths: list[str], table: str, share: tuple[int, int]) -> pa.Table:
    """Staged rows of a share, in the order of the paths."""
    number, count = share
    columns = TABLES[table].file_schema()
    if count == 1:
        return staging.read(store, paths, columns)
    # File by file: in a bucket's lake they are copies in memory, and all of them are too much.
    parts = []
    for path in paths:
        rows = staging.read(store, [path], columns)
        begins = pc.utf8_slice_codeunits(rows["event_id"].cast(pa.string()), 0, 1)
        digits = pc.fill_null(pc.index_in(begins, pa.array(_DIGITS)), 0).to_numpy()
        parts.append(rows.take(pa.array(np.flatnonzero(digits % count == number))))
    return pa.concat_tables(parts).unify_dictionaries()


def _groups(staged: list[dict[str, Any]], limit: int) -> Iterator[list[str]]:
    """Paths of staged files in groups that fit the memory; nearly always it is one."""
    paths: list[str] = []
    size = 0
    for manifest in staged:
        if paths and size + manifest["bytes"] > limit:
            yield paths
            paths, size = [], 0
        paths.append(manifest["path"])
        size += manifest["bytes"]
    if paths:
        yield paths


@dataclass
class _Merged:
    """The files of one table and date, as they come to be."""

    part: dict[str, Any]
    adds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    repeats: list[pl.DataFrame] = field(default_factory=list)

    def take(self, paths: list[str]) -> None:
        """Make a file of some staged rows, without those that the lake or a file before has."""
        store, table = store_from(self.part["store"]), self.part["table"]
        rows = _read(store, paths, table, self.part["share"])
        if not (TABLES[table].partitioned or TABLES[table].keyed):
            self._write(store, table, rows, None)
            return
        is_events = table == "events"
        found = split(rows, self._existing(store, table, rows, "existing"), compare=is_events)
        self.duplicates += found.duplicates
        self.repeats.append(found.repeats)
        if found.conflicts.num_rows:
            known = self._existing(store, "event_conflicts", found.conflicts, "conflicts")
            odd, repeats = distinct(found.conflicts, known)
            self.duplicates += found.conflicts.num_rows - odd.num_rows
            self.repeats.append(repeats)
            self._write(store, "event_conflicts", odd, None)
        self._write(store, table, rows, found.places)

    def _existing(self, store: Store, table: str, rows: pa.Table, files: str) -> Iterator[pa.Table]:
        """As the function, but for rows of objects that this plan replaces."""
        replaced = replacing.load(store, self.part["replaced"])
        found = _existing(store, table, rows, self.part[files])
        return replacing.without_each(found, replaced, self.part["plan_id"])

    def stage_repeats(self) -> str | None:
        """Write down where duplicates came from, for whoever joins the dates; None without any."""
        found = summed(self.repeats)
        if not len(found):
            return None
        name = f"{self.part['table']}-{self.part['date']}-{uuid.uuid4().hex[:12]}"
        path = f"{staging.folder(self.part['plan_id'])}repeats-{name}.arrow"
        date = pl.lit(self.part["date"], pl.String).str.to_date()
        rows = found.with_columns(day=date).to_arrow(compat_level=pl.CompatLevel.oldest())
        with (
            store_from(self.part["store"]).create(path, durable=False) as file,
            pa.ipc.new_file(file, rows.schema) as writer,
        ):
            writer.write_table(rows)
        return path

    def _write(self, store: Store, table: str, rows: pa.Table, places: pa.Array | None) -> None:
        count = rows.num_rows if places is None else len(places)
        self.rows[table] = self.rows.get(table, 0) + count
        if not count:
            return
        part = self.part
        add = write(store, table, rows, part["date"], part["plan_id"], places, part["merge_bytes"])
        self.adds.setdefault(table, []).append(add)
        stats = json.loads(add["stats"])
        time = staging.time_column(TABLES[table].schema)
        part["conflicts" if table == "event_conflicts" else "existing"].append(
            {
                "path": add["path"],
                "since": stats.get("minValues", {}).get(time),
                "until": stats.get("maxValues", {}).get(time),
            }
        )


def write(
    store: Store,
    table: str,
    rows: pa.Table,
    date: str | None,
    plan_id: int,
    places: pa.Array | None = None,
    group_bytes: int = _GROUP_BYTES,
) -> dict[str, Any]:
    """Write one Parquet file into a table's folder; no reader sees it before its commit.

    Args:
        places: which of the rows; none: all.
        group_bytes: of rows in memory that make one row group, about.
    """
    order = staging.by_time(rows, places)
    # Rows of long texts: fewer make a group, since a group is copied before it is written.
    group = max(1, min(_ROW_GROUP, group_bytes * len(rows) // max(rows.nbytes, 1)))
    folder = f"{PARTITION}={date}/" if date else ""
    path = f"{folder}plan-{plan_id:012d}-{uuid.uuid4().hex}.parquet"
    with store.create(f"{table_path(table)}/{path}") as file:
        with parquet_files.writer(file, rows.schema, level=1) as writer:
            for start in range(0, len(order), group):
                writer.write_table(_lean(rows.take(order[start : start + group])))
        size = file.tell()
    return {"path": path, "size": size, "partition": date, "stats": _stats(rows, order)}


def _lean(rows: pa.Table) -> pa.Table:
    """Make dictionaries anew that hold more than these rows need: each goes to the file whole."""
    for place, column in enumerate(rows.schema):
        if not pa.types.is_dictionary(column.type):
            continue
        values = rows[place].combine_chunks()
        if len(values.dictionary) > len(rows) // 4:
            lean = values.cast(column.type.value_type).dictionary_encode()
            rows = rows.set_column(place, column, lean)
    return rows


def _stats(rows: pa.Table, places: pa.Array) -> str:
    """Delta's file statistics, by which readers leave files out."""
    found: dict[str, Any] = {"numRecords": len(places)}
    time = staging.time_column(rows.schema)
    times = rows.select([time] if time else []).take(places)
    since, until = staging.span(times)
    if since is not None and until is not None:
        found["minValues"] = {time: statistic(since)}
        found["maxValues"] = {time: statistic(until)}
        found["nullCount"] = {time: times[time].null_count}
    if "delivery_date" in rows.column_names:
        # By it the ledger leaves out what a pass does not look at.
        ends = pc.min_max(rows["delivery_date"])
        found["nullCount"] = {"delivery_date": rows["delivery_date"].null_count}
        if ends["max"].is_valid:
            found["minValues"] = {"delivery_date": statistic(ends["min"].as_py())}
            found["maxValues"] = {"delivery_date": statistic(ends["max"].as_py())}
    return json.dumps(found)


def _existing(
    store: Store, table: str, rows: pa.Table, files: Sequence[dict[str, Any]]
) -> Iterator[pa.Table]:
    """Rows of the lake that may share a key with the batch, one file at a time.

    Copies of one event have one time, so only files of the batch's own span are opened, and a
    file's other columns are read only where a key matches.
    """
    if not files:
        return
    since, until = _full_span(rows)
    own = keys(rows).select("account", "key")
    for file in files:
        if since and until and not _overlaps(file, since, until):
            continue
        source = pa.BufferReader(store.buffer(f"{table_path(table)}/{file['path']}"))
        parquet = pq.ParquetFile(source)
        names = [name for name in KEY_COLUMNS if name in parquet.schema_arrow.names]
        found = keys(parquet.read(columns=names)).join(own, on=["account", "key"], how="semi")
        if len(found):
            yield parquet.read().take(pa.array(found["row"].to_numpy()))


def _full_span(rows: pa.Table) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The span of all rows; none when some row has no time, and may have a copy in any file."""
    time = staging.time_column(rows.schema)
    if time and rows[time].null_count:
        return None, None
    return staging.span(rows)


def _overlaps(file: dict[str, Any], since: dt.datetime, until: dt.datetime) -> bool:
    if not file.get("since") or not file.get("until"):
        return True
    start, end = (dt.datetime.fromisoformat(file[name]) for name in ("since", "until"))
    # Differences, since a moment near the end of the calendar can't be moved.
    return start - until <= _SLACK and since - end <= _SLACK
