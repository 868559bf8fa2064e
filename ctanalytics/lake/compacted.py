"""Compacted files: read with texts as dictionaries, written in sorted groups with statistics."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctanalytics.lake import parquet_files
from ctanalytics.lake.layout import PARTITION, TABLES, table_path
from ctanalytics.lake.parquet_files import PLAIN, statistic
from ctanalytics.lake.store import Store

_STATISTIC_CHARACTERS: Final = 256
"""A longer text is left out of the table's log; it can be no account, region or principal."""


def memory_schema(table: str) -> pa.Schema:
    """Return a table's columns as compaction holds them: texts that repeat are dictionaries."""
    return pa.schema(
        pa.field(
            column.name,
            pa.dictionary(pa.int32(), column.type)
            if pa.types.is_string(column.type) and column.name not in PLAIN
            else column.type,
        )
        for column in TABLES[table].file_schema()
    )


def read(store: Store, table: str, paths: list[str]) -> Iterator[pa.Table]:
    """Yield the rows of files, one row group at a time.

    Smaller pieces are read three times as slowly: each decodes its dictionaries anew.
    """
    wanted = memory_schema(table)
    for path in paths:
        place_of_file = f"{table_path(table)}/{path}"
        with store.open_parquet(place_of_file) as file:
            footer = file.metadata
            names = set(file.schema_arrow.names)
        repeating = [
            column.name
            for column in wanted
            if column.name in names and pa.types.is_dictionary(column.type)
        ]
        with store.open_parquet(
            place_of_file, read_dictionary=repeating, metadata=footer, pre_buffer=False
        ) as file:
            for place in range(file.num_row_groups):
                yield fitted(file.read_row_group(place), wanted)


def fitted(rows: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Give rows the columns and types of a schema; columns that an older version lacked are null."""
    columns = []
    for column in wanted:
        if column.name not in rows.column_names:
            columns.append(pa.chunked_array([pa.nulls(len(rows), column.type)]))
            continue
        found = rows[column.name]
        columns.append(found if found.type == column.type else found.cast(column.type))
    return pa.Table.from_arrays(columns, schema=wanted)


def lean(rows: pa.Table) -> pa.Table:
    """Make dictionaries anew that hold more than these rows need: each goes to the file whole."""
    for place, column in enumerate(rows.schema):
        if not pa.types.is_dictionary(column.type):
            continue
        values = rows[place]
        if values.num_chunks > 1:
            values = values.unify_dictionaries()
        values = values.combine_chunks()
        if len(values.dictionary) > len(rows) // 4:
            fresh = values.cast(column.type.value_type).dictionary_encode()
            rows = rows.set_column(place, column.name, fresh)
    return rows


@dataclass
class Writer:
    """Writes rows, in the order in which they come, to files of about one size.

    Args:
        prefix: how the files' names begin.
        rows_per_file: a file's rows; the last one has the rest.
        group_rows: rows of a row group: the smallest piece that a reader leaves out.
        ordered_by: the columns by which the rows come sorted; told in the files.
    """

    store: Store
    table: str
    date: str | None
    prefix: str
    rows_per_file: int
    group_rows: int
    level: int
    ordered_by: tuple[str, ...] = ()
    adds: list[dict[str, Any]] = field(default_factory=list, init=False)
    _waiting: list[pa.Table] = field(default_factory=list, init=False)
    _waiting_rows: int = field(default=0, init=False)
    _file: _File | None = field(default=None, init=False)

    def write(self, rows: pa.Table) -> None:
        """Take rows; whole groups go to disk."""
        # Before pieces are joined: each has the dictionaries of all rows that were sorted with it.
        self._waiting.append(lean(rows))
        self._waiting_rows += len(rows)
        while self._waiting_rows >= self._next_group():
            self._flush(self._next_group())

    def _next_group(self) -> int:
        used = self._file.rows if self._file else 0
        return min(self.group_rows, self.rows_per_file - used)

    def _flush(self, count: int) -> None:
        held = pa.concat_tables(self._waiting)
        group, rest = held.slice(0, count), held.slice(count)
        self._waiting, self._waiting_rows = [rest] if len(rest) else [], len(rest)
        if self._file is None:
            self._file = _File(self)
        self._file.write(lean(group))
        if self._file.rows >= self.rows_per_file:
            self._end_file()

    def _end_file(self) -> None:
        if self._file is not None:
            self.adds.append(self._file.close())
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            if self._file is not None:
                self._file.abandon(kind, *rest)
            return
        if self._waiting_rows:
            self._flush(self._waiting_rows)
        self._end_file()


class _File:
    """One Parquet file under way; it has its name when it is closed."""

    def __init__(self, writer: Writer) -> None:
        self.rows = 0
        folder = f"{PARTITION}={writer.date}/" if writer.date else ""
        self._path = f"{folder}{writer.prefix}{uuid.uuid4().hex}.parquet"
        self._writer = writer
        self._closing = contextlib.ExitStack()
        create = writer.store.create(f"{table_path(writer.table)}/{self._path}")
        self._sink = self._closing.enter_context(create)
        self._parquet: pq.ParquetWriter | None = None
        self._bounds: dict[str, tuple[Any, Any]] = {}
        self._nulls: dict[str, int] = {}

    def write(self, rows: pa.Table) -> None:
        if self._parquet is None:
            self._parquet = parquet_files.writer(
                self._sink,
                rows.schema,
                level=self._writer.level,
                ordered_by=self._writer.ordered_by,
            )
        self._parquet.write_table(rows, row_group_size=max(1, len(rows)))
        self.rows += len(rows)
        for name in ("event_time", "capture_time", "principal_arn", "delivery_date"):
            if name in rows.column_names:
                self._see(name, rows[name])

    def _see(self, name: str, values: pa.ChunkedArray) -> None:
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        ends = pc.min_max(values)
        self._nulls[name] = self._nulls.get(name, 0) + values.null_count
        found = [ends["min"].as_py(), ends["max"].as_py()]
        if found[0] is None:
            return
        least, most = self._bounds.get(name, found)
        self._bounds[name] = min(least, found[0]), max(most, found[1])

    def close(self) -> dict[str, Any]:
        if self._parquet is not None:
            self._parquet.close()
        size = self._sink.tell()
        self._closing.close()
        return {
            "path": self._path,
            "size": size,
            "partition": self._writer.date,
            "stats": self._stats(),
            "rows": self.rows,
        }

    def abandon(self, *error: Any) -> None:
        self._closing.__exit__(*error)

    def _stats(self) -> str:
        found: dict[str, Any] = {"numRecords": self.rows}
        for name, (least, most) in self._bounds.items():
            if isinstance(most, str) and max(len(least), len(most)) > _STATISTIC_CHARACTERS:
                continue
            found.setdefault("minValues", {})[name] = statistic(least)
            found.setdefault("maxValues", {})[name] = statistic(most)
            found.setdefault("nullCount", {})[name] = self._nulls[name]
        return json.dumps(found)
