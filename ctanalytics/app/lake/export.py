"""Export: part of a lake as files that other tools read, or as the log files it came from."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from ctanalytics import untrusted, whole
from ctanalytics.app.lake.export_files import (
    CloudTrailSink,
    CsvSink,
    LinesSink,
    ParquetSink,
    Sink,
)
from ctanalytics.engines import statements
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import QueryError, UsageError
from ctanalytics.lake import maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from ctanalytics.settings import Settings

FORMATS: Final = ("parquet", "csv", "ndjson", "cloudtrail")
_KINDS: Final = {
    "events": "log",
    "aws_insights": "insight",
    "aggregated_events": "aggregated",
}
"""Tables that can become log files again, and the kind of file."""

_MARKER: Final = ".ctanalytics-export.json"
"""In a folder that an export made: only such a folder is ever replaced."""

_BATCH_ROWS: Final = 50_000
_TIMES: Final = ("event_time", "window_start", "detected_at", "ingested_at", "quarantined_at", "at")


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written."""

    output: str
    format: str
    table: str
    rows: int
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which rows; times are UTC, half-open."""

    table: str
    since: dt.datetime | None
    until: dt.datetime | None
    accounts: Sequence[str]
    where: str


def export(
    lake: str | Lake,
    output: str | Path,
    *,
    format: str = "parquet",  # noqa: A002 - the flag's name
    table: str = "events",
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    accounts: Sequence[str] = (),
    where: str = "",
    force: bool = False,
    settings: Settings | None = None,
    now: dt.datetime | None = None,
) -> ExportResult:
    """Write rows of one table to files; the lake stays as it is.

    Args:
        lake: a lake, or where it is.
        output: a file for csv and ndjson (gzipped when it ends in .gz), else a folder.
        format: parquet, csv, ndjson, or cloudtrail: log files with the records made again.
        table: events, or another table of the lake.
        since: rows of this time on.
        until: rows before this time.
        accounts: only these account ids; empty: all.
        where: a SQL condition on the table's columns.
        force: replace the file, or the folder of an earlier export.
        now: stands in names of log files whose records have no believable time.

    Raises:
        UsageError: the choice can't be, or the output is there already.
        QueryError: the condition is not one.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    choice = _Choice(table, since, until, accounts, where)
    _check(choice, format)
    target = Path(output)
    _check_free(target, format, force=force)
    moment = now or dt.datetime.now(dt.UTC)
    try:
        with whole.making(target) as part:
            rows, sink = _written(here, choice, format, part, moment, settings)
            if part.is_dir():
                _mark(part, choice, format, rows)
            _put(part, target)
    except OSError as error:
        raise UsageError(
            f"the export can't be written: {error.strerror or error}",
            where=str(target),
            mend="name another place, or make room",
        ) from error
    return ExportResult(str(target), format, table, rows, sink.files, _size(target))


def _written(
    lake: Lake, choice: _Choice, form: str, part: Path, now: dt.datetime, settings: Settings
) -> tuple[int, Any]:
    """Write all rows to a new file or folder beside the target."""
    rows = 0
    sink = _sink(choice, form, part, now)
    # The condition is a user's SQL: no file but the lake's can be read in this session.
    with lake.engine(locked=True, memory_bytes=settings.care.memory_bytes) as engine:
        if choice.where:
            _check_condition(engine, choice.where)
        for date in _dates(lake, choice):
            for batch in engine.stream(_statement(choice, form, date), rows=_BATCH_ROWS):
                if batch.num_rows:
                    sink.take(date, batch)
                    rows += batch.num_rows
    sink.close()
    return rows, sink


def _sink(choice: _Choice, form: str, part: Path, now: dt.datetime) -> Sink:
    if form in ("csv", "ndjson"):
        # What a name ends in decides whether it is gzipped.
        return CsvSink(part) if form == "csv" else LinesSink(part)
    part.mkdir(mode=0o700)
    if form == "parquet":
        return ParquetSink(part)
    return CloudTrailSink(part, _KINDS[choice.table], now)


def _check(choice: _Choice, form: str) -> None:
    faults = []
    if form not in FORMATS:
        faults.append(f"there is no format {form!r}: use one of {', '.join(FORMATS)}")
    if choice.table not in TABLES:
        faults.append(f"there is no table {choice.table!r}: use one of {', '.join(TABLES)}")
    elif form == "cloudtrail" and choice.table not in _KINDS:
        faults.append(f"{choice.table} has no records: use one of {', '.join(_KINDS)}")
    else:
        names = TABLES[choice.table].schema.names
        if choice.accounts and "account_id" not in names:
            faults.append(f"{choice.table} has no account_id")
        if (choice.since or choice.until) and _time_of(choice.table) is None:
            faults.append(f"{choice.table} has no time")
    if faults:
        raise UsageError("; ".join(faults), where="export", mend="see --help")


def _check_condition(engine: Engine, where: str) -> None:
    """Refuse what is not one expression: a bracket that closes ours, a clause of its own.

    It has to be one with brackets around it and without.
    """
    for text in (f"select (\n{where}\n)", f"select\n{where}\n"):
        ((found,),) = engine.execute("select json_serialize_sql(?)", [text])
        tree = msgspec.json.decode(found)
        if not _is_expression(tree):
            raise QueryError(
                f"that is not one condition: {tree.get('error_message', '')}".rstrip(": "),
                where=untrusted.one_line(where),
                mend="write what could stand behind WHERE, such as event_name = 'DeleteTrail'",
            )


def _is_expression(tree: dict[str, Any]) -> bool:
    """Tell whether a parsed statement is a SELECT of one expression and nothing else."""
    if tree.get("error", True) or len(tree["statements"]) != 1:
        return False
    node = tree["statements"][0]["node"]
    return (
        node.get("type") == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "EMPTY"
        and not node.get("where_clause")
        and not node.get("modifiers")
    )


def _dates(lake: Lake, choice: _Choice) -> Iterator[dt.date | None]:
    """The dates whose files can have rows of the choice; None for a table without dates."""
    if not TABLES[choice.table].partitioned:
        yield None
        return
    names = [choice.table, *(["event_conflicts"] if choice.table == "events" else [])]
    dates = {
        file.date
        for name in names
        for file in maintenance.snapshot(lake, name).files
        if file.date is not None
    }
    since = choice.since.astimezone(dt.UTC).date() if choice.since else dt.date.min
    until = choice.until.astimezone(dt.UTC).date() if choice.until else dt.date.max
    yield from sorted(date for date in dates if since <= date <= until)


def _time_of(table: str) -> str | None:
    names = TABLES[table].schema.names
    return next((name for name in _TIMES if name in names), None)


def _statement(choice: _Choice, form: str, date: dt.date | None) -> str:
    chosen = _chosen(choice, date)
    if form == "cloudtrail" and choice.table == "events":
        return f"with chosen as (\n{chosen}\n)\n{statements.statement('lake/cloudtrail_records')}"
    if form == "cloudtrail":
        return f"with chosen as (\n{chosen}\n) select account_id, aws_region, record from chosen"
    if form == "ndjson":
        columns = ", ".join(_told(column) for column in TABLES[choice.table].schema)
        return (
            f"with chosen as (\n{chosen}\n), told as (select {columns} from chosen) "
            "select cast(to_json(told) as varchar) as record from told"
        )
    if form == "csv":
        columns = ", ".join(
            f"cast(to_json({_quoted(x)}) as varchar) as {_quoted(x)}"
            if pa.types.is_nested(x.type)
            else _quoted(x)
            for x in TABLES[choice.table].schema
        )
        return f"with chosen as (\n{chosen}\n) select {columns} from chosen"
    return chosen


def _told(column: pa.Field) -> str:
    """A column as JSON has it: times in ISO 8601, bytes as text."""
    name = _quoted(column)
    if pa.types.is_timestamp(column.type):
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ') as {name}"
    if pa.types.is_binary(column.type):
        return f"cast({name} as varchar) as {name}"
    return name


def _quoted(column: pa.Field) -> str:
    return untrusted.sql_identifier(column.name)


def _chosen(choice: _Choice, date: dt.date | None) -> str:
    """The SELECT of the chosen rows of one date."""
    # The view, which keeps one copy of an event that was corrected later.
    relation = "events" if choice.table == "events" else f"lake.{choice.table}"
    time = _time_of(choice.table)
    bounds = [f"event_date = date '{date.isoformat()}'"] if date else []
    for moment, sign in ((choice.since, ">="), (choice.until, "<")):
        if moment is not None:
            at = moment.astimezone(dt.UTC)
            bounds.append(f"{time} {sign} timestamptz '{at:%Y-%m-%d %H:%M:%S.%f}+00'")
    if choice.accounts:
        accounts = ", ".join(untrusted.sql_text(account) for account in choice.accounts)
        bounds.append(f"account_id in ({accounts})")
    if choice.where:
        bounds.append(f"(\n{choice.where}\n)")
    names = ", ".join(_quoted(column) for column in TABLES[choice.table].schema)
    return f"select {names} from {relation} where {' and '.join(bounds) or 'true'}"


def _check_free(target: Path, form: str, *, force: bool) -> None:
    if not target.parent.is_dir():
        raise UsageError(
            "there is no such folder", where=str(target.parent), mend="make it, or name another"
        )
    if not target.exists():
        return
    is_folder = form in ("parquet", "cloudtrail")
    if not force:
        raise UsageError(
            "the output is there already",
            where=str(target),
            mend="name another place, or add --force to replace it",
        )
    if target.is_dir() != is_folder or (
        is_folder and any(target.iterdir()) and not (target / _MARKER).is_file()
    ):
        raise UsageError(
            "this is nothing that an export made, so it is not replaced",
            where=str(target),
            mend="name another place, or remove it yourself",
        )


def _mark(part: Path, choice: _Choice, form: str, rows: int) -> None:
    told = {
        "by": "ctanalytics lake export",
        "format": form,
        "table": choice.table,
        "since": choice.since,
        "until": choice.until,
        "accounts": list(choice.accounts),
        "where": choice.where,
        "rows": rows,
    }
    text = json.dumps(told, indent=2, default=str)
    (part / _MARKER).write_text(text + "\n", "utf-8")


def _put(part: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    part.replace(target)


def _size(target: Path) -> int:
    if target.is_file():
        return target.stat().st_size
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
