"""DuckDB over the lake's Parquet files: named statements in, Arrow tables out.

The files are named one by one, never globbed: a table's folder also holds files that no reader
may see (checkpoints, removed files, files of a commit that never came).
"""

from __future__ import annotations

import datetime as dt
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from ctanalytics import untrusted
from ctanalytics.engines import statements
from ctanalytics.engines.read_only import require_read
from ctanalytics.engines.scans import Scan, scans_of
from ctanalytics.engines.table_files import TableFiles, empty_tables
from ctanalytics.errors import QueryError, SettingsError

_PARAMETER = re.compile(r"\$([a-z_]+)")
_WORD = re.compile(r"[a-z0-9_]+")
_OF_ALL_VIEWS = re.compile(r"\b(information_schema|show|(duckdb|pg|pragma|sqlite)_[a-z_]+)\b")


@dataclass
class Engine:
    """One DuckDB session whose tables `lake.<name>` and published views are in place when named.

    Not safe to use from two threads; `cursor()` gives a second session on the same tables.
    """

    tables: Mapping[str, TableFiles]
    threads: int | None = None
    memory_bytes: int | None = None
    directories: Sequence[str] = ()
    """With `locked`: the only places whose files may be read."""
    locked: bool = False
    filesystem: Any = None  # an fsspec filesystem for lake files that are not local
    extra_views: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)
    """Of some tables and views only the rows for which this condition holds are there; a table's may
    read the tables that come before."""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Cut events, and all views of them, to these times (UTC, half-open); the chains of credentials
    begin two days earlier, and files of other dates are not even named."""
    org_wide: bool = False
    """Count a call that is logged in several accounts once."""
    lookups: Mapping[str, str] = field(default_factory=dict)
    """Tables of the user's own: a name to a CSV or Parquet file."""
    database: str = ":memory:"
    """Where tables and views are made: a new database file makes them last."""
    sessions: list[Engine] | None = field(default=None, repr=False, compare=False)
    """Where this session puts itself, and all that are made of it: for who has to interrupt them."""
    _connection: duckdb.DuckDBPyConnection = field(init=False, repr=False)
    _unmade: dict[str, TableFiles] = field(init=False, repr=False)
    """Tables that are not made yet."""
    _waiting: dict[str, frozenset[str]] = field(init=False, repr=False)
    """Views that are not made yet, each with the views that it reads; in their order."""

    def __post_init__(self) -> None:
        self._connection = duckdb.connect(self.database)
        if self.sessions is not None:
            self.sessions.append(self)
        run = self._connection.execute
        run("set timezone = 'UTC'")
        run("set autoinstall_known_extensions = false")
        run("set autoload_known_extensions = false")
        # In a notebook without its widgets DuckDB refuses even to switch the bar off.
        with suppress(duckdb.InvalidInputException):
            run("set enable_progress_bar = false")
        # What does not fit into memory goes to a place that this session removes.
        run(f"set temp_directory = {untrusted.sql_text(_spill_place())}")
        if self.threads:
            run(f"set threads = {int(self.threads)}")
        if self.memory_bytes:
            run(f"set memory_limit = '{int(self.memory_bytes)}B'")
        if self.filesystem is not None:
            self._connection.register_filesystem(self.filesystem)
        run("create schema lake")
        run(
            "create table lake.bounds as select $1::timestamptz as since, $2::timestamptz as until",
            [self.since, self.until],
        )
        # Making all tables takes a third of a session's start, making all views a tenth of a second;
        # and a statement of ours reads few of them.
        self._unmade = {n: t.within(self.since, self.until) for n, t in self.tables.items()}
        self._waiting = {name: statements.reads(name) for name in statements.views()}
        if self.lookups or self.extra_views or self.database != ":memory:":
            self._make_all()
        for name, file in self.lookups.items():
            self._create_lookup(name, file)
        for name, text in self.extra_views.items():
            self._create_view(name, text)
        if self.locked:
            places = ", ".join(untrusted.sql_text(place) for place in self.directories)
            run(f"set allowed_directories = [{places}]")
            run("set enable_external_access = false")
            run("set lock_configuration = true")

    def _make_tables(self, text: str) -> None:
        """Make the tables whose names a text holds, and those that their conditions read."""
        words = set(_WORD.findall(text))
        named = [name for name in self._unmade if name in words]
        wanted = {name: self._unmade.pop(name) for name in named}
        if empty := {name: table.schema for name, table in wanted.items() if not table.files}:
            self._connection.execute(empty_tables(empty))
        for name, table in wanted.items():
            if table.files:
                self._create_table(name, table)

    def _create_table(self, name: str, table: TableFiles) -> None:
        condition = f" where {self.filters[name]}" if name in self.filters else ""
        self._make_tables(condition)
        quoted = untrusted.sql_identifier(name)
        self._connection.execute(f"create view lake.{quoted} as {table.read(condition)}")

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection, with all tables and views in place."""
        self._make_all()
        return self._connection

    def _make_all(self) -> None:
        self._make_tables(" ".join(self._unmade))
        self._make(list(self._waiting))

    def _make_named(self, text: str) -> None:
        """Make the tables and views whose names a text holds, and those that they read."""
        if _OF_ALL_VIEWS.search(text):
            self._make_all()
        self._make_tables(text)
        if not self._waiting:
            return
        wanted = {f"views/{word}" for word in set(_WORD.findall(text))}
        before: set[str] = set()
        while wanted != before:
            before = wanted
            wanted = wanted.union(*(self._waiting.get(name, ()) for name in wanted))
        self._make([name for name in self._waiting if name in wanted])

    def _make(self, names: Sequence[str]) -> None:
        for name in names:
            text = statements.statement(name)
            short = name.removeprefix("views/")
            if short in self.filters and short not in self.tables:
                text = f"select * from ({text}) where {self.filters[short]}"
            self._create_view(short, self._cut(text) if short == "events" else text)
            del self._waiting[name]

    def _create_view(self, name: str, text: str) -> None:
        self._make_tables(text)
        self._connection.execute(f"create view {untrusted.sql_identifier(name)} as {text}")

    def _cut(self, text: str) -> str:
        """The view of events as this session is to see them."""
        self._make_tables(text)
        run = self._connection.execute
        conflicts = self.tables.get("event_conflicts")
        if conflicts is not None and not conflicts.files:
            # Looking each event up among no corrections would read every id: 0.07 s a million.
            text = "select * from lake.events"
        if self.org_wide:
            run(f"create view lake.events_by_account as {text}")
            text = statements.statement("lake/org_wide_events")
        if self.since is None and self.until is None:
            return text
        run(f"create view lake.events_at_all_times as {text}")
        bounds = []
        for bound, sign in ((self.since, ">="), (self.until, "<")):
            if bound is None:
                continue
            time = bound.astimezone(dt.UTC)
            # An event's date is that of its time; the day of a bound is always in.
            sign_of_date = ">=" if sign == ">=" else "<="
            bounds += [
                f"event_time {sign} timestamptz '{time:%Y-%m-%d %H:%M:%S.%f}+00'",
                f"event_date {sign_of_date} date '{time:%Y-%m-%d}'",
            ]
        return f"select * from lake.events_at_all_times where {' and '.join(bounds)}"

    def _create_lookup(self, name: str, file: str) -> None:
        quoted, place = untrusted.sql_identifier(name), untrusted.sql_text(file)
        # All text: account ids have leading zeros.
        read = (
            f"read_parquet({place})"
            if file.endswith(".parquet")
            else f"read_csv({place}, header = true, all_varchar = true)"
        )
        try:
            self._connection.execute(f"create table {quoted} as from {read}")
        except duckdb.Error as error:
            raise SettingsError(
                f"the lookup table {name} can't be made: {str(error).splitlines()[0]}",
                where=file,
                mend="name a CSV or Parquet file under [lookups], by a name that no view has",
            ) from error

    def run(self, name: str, **values: Any) -> pa.Table:
        """Run a shipped statement, such as run("detectors/call_rate", since=..., until=...).

        A `since` or `until` also binds `$since_date` / `$until_date`, the UTC dates that
        statements give to DuckDB so that it opens only the files of those dates.
        """
        return self._arrow(statements.statement(name), self._bound(name, values))

    def _bound(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the values that a shipped statement has a place for, and the dates of its span."""
        wanted = set(_PARAMETER.findall(_without_comments(statements.statement(name))))
        return {key: value for key, value in with_dates(values).items() if key in wanted}

    def keep(self, table: str, name: str, **values: Any) -> None:
        """Run a shipped statement into a temporary table of this session, in place of one before."""
        text = f"create or replace temp table {untrusted.sql_identifier(table)} as {{}}"
        self.execute(text.format(statements.statement(name)), self._bound(name, values))

    def sql(self, text: str, values: Mapping[str, Any] | Sequence[Any] | None = None) -> pa.Table:
        """Run SQL of our own with bound values."""
        return self._arrow(text, values)

    def execute(
        self, text: str, values: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a statement of our own that makes or copies something; return its few rows."""
        self._make_named(text)
        return self._connection.execute(text, values).fetchall()

    def query(self, text: str, values: Mapping[str, Any] | None = None) -> pa.Table:
        """Run a user's SQL: one statement, that reads.

        Raises:
            QueryError: it is not SQL, is more than one statement, or does more than read.
        """
        with self._foreign_errors(text, values):
            require_read(self._connection, text)
            return self._relation(text, values).to_arrow_table()

    def stream(
        self, text: str, values: Mapping[str, Any] | None = None, *, rows: int = 65_536
    ) -> pa.RecordBatchReader:
        """Run a user's SQL and hand out its rows in batches; raises as `query` does."""
        with self._foreign_errors(text, values):
            require_read(self._connection, text)
            batches = self._relation(text, values).to_arrow_reader(rows)
        return pa.RecordBatchReader.from_batches(batches.schema, self._batches(text, batches))

    def explain(self, text: str, values: Mapping[str, Any] | None = None) -> str:
        """Return DuckDB's plan of a user's SQL; raises as `query` does."""
        return self._explained("explain", text, values)

    def scans(self, text: str, values: Mapping[str, Any] | None = None) -> list[Scan]:
        """Return what a user's SQL would read of the lake's files; raises as `query` does."""
        return scans_of(self._explained("explain (format json)", text, values))

    def _explained(self, how: str, text: str, values: Mapping[str, Any] | None) -> str:
        with self._foreign_errors(text, values):
            require_read(self._connection, text)
            rows = self._relation(f"{how} {text}", values).fetchall()
        return "\n".join(str(row[-1]) for row in rows)

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable by name in this session."""
        self._connection.register(name, table)

    def unregister(self, name: str) -> None:
        """Forget a table that was registered."""
        self._connection.unregister(name)

    def interrupt(self) -> None:
        """Stop the statement that runs now; it ends with a QueryError. A closed session has none."""
        with suppress(duckdb.ConnectionException):
            self._connection.interrupt()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a second session on the same tables, for another thread."""
        return self.connection.cursor()

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _batches(self, text: str, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with self._foreign_errors(text):
            try:
                yield from batches
            except (OSError, pa.ArrowException) as error:
                # What goes wrong after the first rows reaches us through Arrow, as an error of I/O.
                raise duckdb.Error(str(error)) from error

    @contextmanager
    def _foreign_errors(self, text: str, values: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Turn DuckDB's errors about a user's SQL into ours."""
        try:
            yield
        except duckdb.Error as error:
            mend = (
                "`ctanalytics views` lists the views, `ctanalytics views NAME` the columns of one"
            )
            if isinstance(error, duckdb.ParserException):
                mend = "mend the SQL, which is DuckDB's, where the caret points"
            elif isinstance(error, duckdb.OutOfMemoryException):
                mend = (
                    "cut the logs with --since, select fewer columns, or raise query.memory_bytes"
                )
            raise QueryError(
                untrusted.terminal(self._with_place(error, text, values)),
                where=untrusted.one_line(text),
                mend=mend,
            ) from error

    def _with_place(
        self, error: duckdb.Error, text: str, values: Mapping[str, Any] | None
    ) -> duckdb.Error:
        # A relation's error lacks the line with the caret; the same SQL as a statement has it, and
        # stops before it reads anything.
        if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
            try:
                self._connection.execute(text, values)
            except duckdb.Error as placed:
                return placed
        return error

    def _relation(self, text: str, values: Mapping[str, Any] | None) -> duckdb.DuckDBPyRelation:
        self._make_named(text.lower())
        try:
            return self._connection.sql(text, params=values)
        except duckdb.CatalogException:
            # A name put together by a function; and a misspelt one is shown its neighbours.
            return self.connection.sql(text, params=values)

    def _arrow(self, text: str, values: Any) -> pa.Table:
        self._make_named(text)
        return self._connection.sql(text, params=values).to_arrow_table()


def _spill_place() -> str:
    return str(Path(tempfile.gettempdir()) / f"ctanalytics-{os.getpid()}-{secrets.token_hex(4)}")


def with_dates(values: Mapping[str, Any]) -> dict[str, Any]:
    """Add `since_date` and `until_date` to `since` and `until` (UTC, half-open)."""
    found = dict(values)
    if isinstance(values.get("since"), dt.datetime):
        found.setdefault("since_date", values["since"].astimezone(dt.UTC).date())
    if isinstance(values.get("until"), dt.datetime):
        last = values["until"].astimezone(dt.UTC) - dt.timedelta(microseconds=1)
        found.setdefault("until_date", last.date())
    return found


def _without_comments(text: str) -> str:
    return "\n".join(line.split("--", 1)[0] for line in text.splitlines())
