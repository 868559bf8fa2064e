"""`ctanalytics connect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import console


def connect(
    output: Annotated[
        Path, typer.Argument(help="NAME.duckdb for a database, NAME.sql for a script.")
    ],
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only events from here on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Only events before this (UTC).")] = None,
    org_wide: Annotated[
        bool, typer.Option("--org-wide", help="Count a call that several accounts log once.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a small DuckDB file whose views are the lake, for notebooks, BI and other clients.

    It names the lake's files of now; run it again after an ingest. A file that is there is replaced.

    Example: ctanalytics connect ./ctanalytics.duckdb --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.connect import connect as run
    from ctanalytics.app.query import Scope
    from ctanalytics.cli import times

    settings = console.settings_from({"lake": lake})
    scope = Scope(times.moment(since, "--since"), times.moment(until, "--until"), org_wide)
    found = run(output, console.lake_place(settings), scope=scope, settings=settings)
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    console.out(f"{found.path}: a {found.kind} with {found.views} views over {found.files} files")
