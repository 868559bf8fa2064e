"""`ctanalytics lake export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import completion, console


def export(
    output: Annotated[
        Path, typer.Argument(help="A file for csv and ndjson (gzipped if .gz), else a folder.")
    ],
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            help="parquet, csv, ndjson, or cloudtrail (log files again).",
            autocompletion=completion.one_of("parquet", "csv", "ndjson", "cloudtrail"),
        ),
    ] = "parquet",
    table: Annotated[
        str,
        typer.Option(
            help="events, or another table of the lake.", autocompletion=completion.tables
        ),
    ] = "events",
    since: Annotated[str | None, typer.Option(help="Rows of this time on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Rows before this time (UTC).")] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="Only this account; repeatable.")
    ] = None,
    where: Annotated[
        str, typer.Option(help="A condition in SQL, such as \"event_name = 'StopLogging'\".")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file, or an earlier export's folder.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write part of a lake to Parquet, CSV, lines of JSON, or CloudTrail log files.

    Example: ctanalytics lake export ./evidence --format cloudtrail --since 2026-11-01 --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.lake.export import export as run
    from ctanalytics.cli.times import moment

    settings = console.settings_from({"lake": lake})
    result = run(
        console.lake_place(settings),
        output,
        format=format,
        table=table,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        accounts=account or (),
        where=where,
        force=force,
        settings=settings,
    )
    if json:
        console.emit_json(dataclasses.asdict(result))
        return
    console.out(
        f"{result.rows:,} rows of {result.table} in {result.files:,} files, "
        f"{result.size_bytes:,} bytes: {result.output}"
    )
