"""The Parquet files of a table, and the SQL that reads them as one.

They are named one by one, never globbed: a table's folder also holds files that no reader may see
(checkpoints, removed files, files of a commit that never came).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from ctanalytics import untrusted

_SLACK = dt.timedelta(days=2)
_TYPES = {
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}


@dataclass(frozen=True, slots=True)
class TableFiles:
    """The Parquet files that make up a table now, and the columns all of them share.

    A partition column is read from the path (`.../event_date=2026-11-24/...`).
    """

    schema: pa.Schema
    files: Sequence[str] = ()
    partition: str | None = None
    lacking: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of files that an older version wrote: columns that are not in them, and read as null."""

    def within(self, since: dt.datetime | None, until: dt.datetime | None) -> TableFiles:
        """Return the same table with the files of a span alone, and of the two days before it.

        No temporary credentials last longer; see the view credential_events.
        """
        if self.partition is None or (since is None and until is None):
            return self
        first = since.astimezone(dt.UTC).date() - _SLACK if since else dt.date.min
        last = until.astimezone(dt.UTC).date() if until else dt.date.max
        kept = [
            file
            for date, files in self.by_date().items()
            if date is None or first <= date <= last
            for file in files
        ]
        return replace(self, files=kept)

    def by_date(self) -> dict[dt.date | None, list[str]]:
        """Return the files by the date of their partition; None: their paths tell none."""
        date_in_path = re.compile(
            f"/{re.escape(self.partition or '')}=([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/"
        )
        found: dict[dt.date | None, list[str]] = {}
        for file in self.files:
            date = date_in_path.search(file)
            found.setdefault(dt.date.fromisoformat(date[1]) if date else None, []).append(file)
        return found

    def read(self, condition: str = "") -> str:
        """Return the statement that reads all files; a condition begins with " where "."""
        by_columns: dict[tuple[str, ...], list[str]] = {}
        for file in self.files:
            by_columns.setdefault(tuple(self.lacking.get(file, ())), []).append(file)
        # Files of other columns apart: to unite them by name, DuckDB would open every file.
        return " union all ".join(
            self._read(files, lacking) + condition for lacking, files in by_columns.items()
        )

    def _read(self, files: Sequence[str], lacking: Sequence[str]) -> str:
        columns = ", ".join(
            f"cast(null as {_type(column.type)}) as {untrusted.sql_identifier(column.name)}"
            if column.name in lacking
            else untrusted.sql_identifier(column.name)
            for column in self.schema
        )
        listed = ", ".join(untrusted.sql_text(file) for file in files)
        options = "hive_partitioning = false"
        if self.partition:
            date = untrusted.sql_text(self.partition)
            options = f"hive_partitioning = true, hive_types = {{{date}: DATE}}"
        return f"select {columns} from read_parquet([{listed}], {options})"


def empty_tables(schemas: Mapping[str, pa.Schema]) -> str:
    """Return one statement that makes tables of the schema `lake` without rows.

    Two dozen tables from empty Arrow ones take twice as long as all the rest of a session's start.
    """
    made = []
    for name, schema in schemas.items():
        columns = (f"{untrusted.sql_identifier(c.name)} {_type(c.type)}" for c in schema)
        made.append(f"create table lake.{untrusted.sql_identifier(name)} ({', '.join(columns)})")
    return "; ".join(made)


def _type(kind: pa.DataType) -> str:
    """DuckDB's name of an Arrow type that a table of ours has."""
    if pa.types.is_list(kind):
        return f"{_type(kind.value_type)}[]"
    return _TYPES[kind]
