"""`ctanalytics query`."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from ctanalytics import whole
from ctanalytics.cli import completion, console

if TYPE_CHECKING:
    import pyarrow as pa

    from ctanalytics.app.query import Explained

FORMATS = ("table", "json", "ndjson", "csv", "parquet", "markdown")


def query(
    sql: Annotated[str | None, typer.Argument(help="One SELECT over the views.")] = None,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Read the SQL from a file.")] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Ask a saved query; see `ctanalytics queries list`.",
            autocompletion=completion.queries,
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE for $NAME in the SQL; repeatable. Text, but in saved queries."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only events from here on (UTC); older files stay closed.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only events before this (UTC).")] = None,
    org_wide: Annotated[
        bool, typer.Option("--org-wide", help="Count a call that several accounts log once.")
    ] = False,
    format: Annotated[
        str,
        typer.Option(
            help=f"One of {', '.join(FORMATS)}.", autocompletion=completion.one_of(*FORMATS)
        ),
    ] = "table",
    output: Annotated[Path | None, typer.Option(help="Write to this file, not to stdout.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what would be read, and read nothing.")
    ] = False,
    verified_only: Annotated[
        bool,
        typer.Option(
            "--verified-only", help="Only records of log files that `validate` found whole."
        ),
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(help="Stop after so many seconds [default: never].")
    ] = None,
    memory: Annotated[
        int | None, typer.Option(help="Bytes of memory; what is more goes to disk.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Ask the lake a question in SQL, or a saved one; read-only.

    Example: ctanalytics query --name who_is_behind_key --param key=ASIAIOSFODNN7EXAMPLE --lake ./lake
    """
    from ctanalytics.app import query as app_query
    from ctanalytics.cli import times

    chosen = _format("json" if json else format, output)
    text, values = _question(sql, file, name, param or [])
    settings = console.settings_from(
        {"lake": lake, "query.timeout_seconds": timeout, "query.memory_bytes": memory}
    )
    place = console.lake_place(settings)
    scope = app_query.Scope(
        times.moment(since, "--since"), times.moment(until, "--until"), org_wide, verified_only
    )
    if explain:
        found = app_query.explain(text, place, values=values, settings=settings, scope=scope)
        _explain(found, as_json=json)
        return
    with app_query.reader(text, place, values=values, settings=settings, scope=scope) as batches:
        _write(batches, chosen, output)


def _format(chosen: str, output: Path | None) -> str:
    from ctanalytics.errors import UsageError

    if chosen not in FORMATS:
        raise UsageError(
            f"there is no format {chosen!r}",
            where="--format",
            mend=f"use one of {', '.join(FORMATS)}",
        )
    if chosen == "parquet" and output is None:
        raise UsageError(
            "Parquet is not for a terminal", where="--format", mend="add --output FILE"
        )
    return chosen


def _question(
    sql: str | None, file: Path | None, name: str | None, params: list[str]
) -> tuple[str, dict[str, Any] | None]:
    """The SQL and the values of its parameters."""
    from ctanalytics.errors import UsageError

    if sum(each is not None for each in (sql, file, name)) != 1:
        raise UsageError(
            "give the SQL, --file or --name, one of them", where="SQL", mend="see --help"
        )
    given = dict(_pair(each) for each in params)
    if name is not None:
        from ctanalytics.app.queries import bind, saved

        chosen = saved(name)
        return chosen.sql, bind(chosen, given)
    return (sql or "") if file is None else _read(file), given or None


def _pair(text: str) -> tuple[str, str]:
    from ctanalytics.errors import UsageError

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text!r} is not NAME=VALUE", where="--param", mend="write NAME=VALUE")
    return name, value


def _read(file: Path) -> str:
    from ctanalytics.errors import UsageError, reason

    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the file can't be read: {reason(error)}",
            where=str(file),
            mend="name a UTF-8 text file",
        ) from error


def _explain(found: Explained, *, as_json: bool) -> None:
    import dataclasses

    if as_json:
        console.emit_json(dataclasses.asdict(found))
        return
    console.table(
        ("files to read", "of", "columns", "only rows with"),
        [
            (scan.files, scan.of_files, ", ".join(scan.columns), " and ".join(scan.filters))
            for scan in found.scans
        ],
    )
    console.out(found.plan)


def _write(batches: pa.RecordBatchReader, chosen: str, output: Path | None) -> None:
    from ctanalytics.errors import UsageError

    try:
        if chosen == "parquet" and output is not None:
            with whole.replacing(output) as file:
                _parquet(batches, file)
        elif output is not None:
            with whole.replacing(output) as file:
                WRITERS[chosen](batches, lambda text: file.write(text.encode()))
        else:
            WRITERS[chosen](batches, console.raw)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UsageError(
            f"the output can't be written: {error.strerror}",
            where=str(output),
            mend="name another file",
        ) from error


Write = Callable[[str], Any]


def _table(batches: pa.RecordBatchReader, write: Write) -> None:
    table = batches.read_all()
    if write is console.raw:
        rows = [list(row.values()) for row in table.to_pylist()]
        console.table(table.column_names, rows, tall=True)
        return
    _markdown_rows(table, write)


def _json(batches: pa.RecordBatchReader, write: Write) -> None:
    write("[")
    first = True
    for row in _rows(batches):
        write(("" if first else ",") + "\n" + _dumps(row))
        first = False
    write("\n]\n")


def _ndjson(batches: pa.RecordBatchReader, write: Write) -> None:
    for row in _rows(batches):
        write(_dumps(row) + "\n")


def _rows(batches: pa.RecordBatchReader) -> Any:
    for batch in batches:
        yield from batch.to_pylist()


def _dumps(row: dict[str, Any]) -> str:
    return json_module.dumps(row, default=console.plain)


def _csv(batches: pa.RecordBatchReader, write: Write) -> None:
    import csv

    from ctanalytics import untrusted

    class _Sink:
        def write(self, text: str) -> object:
            return write(text)

    sink: Any = _Sink()
    writer = csv.writer(sink, lineterminator="\n")
    # A cell that starts like a formula would run in the spreadsheet of whoever opens it.
    writer.writerow([untrusted.spreadsheet(name) for name in batches.schema.names])
    for row in _rows(batches):
        writer.writerow([_csv_cell(value) for value in row.values()])


def _csv_cell(value: Any) -> Any:
    from ctanalytics import untrusted

    if value is None or isinstance(value, int | float | bool):
        return value
    text = value if isinstance(value, str) else str(console.plain(value))
    return untrusted.spreadsheet(text)


def _markdown(batches: pa.RecordBatchReader, write: Write) -> None:
    _markdown_rows(batches.read_all(), write)


def _markdown_rows(table: pa.Table, write: Write) -> None:
    from ctanalytics import untrusted
    from ctanalytics.reporting import markdown

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |\n"

    def cell(value: Any) -> str:
        if value is None or isinstance(value, int | float | bool):
            return "" if value is None else str(value)
        text = value if isinstance(value, str) else str(console.plain(value))
        return markdown.code(untrusted.one_line(text))  # no link, image or markup of a log

    write(line([markdown.text(name) for name in table.column_names]))
    write(line(["---"] * table.num_columns))
    for row in table.to_pylist():
        write(line([cell(value) for value in row.values()]))


def _parquet(batches: pa.RecordBatchReader, output: BinaryIO) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(output, batches.schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


WRITERS: dict[str, Callable[[Any, Write], None]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
    "csv": _csv,
    "markdown": _markdown,
}
