"""`ctanalytics connect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import console
from ctanalytics.engines.dialects import DIALECTS

_CLUSTER, _ATHENA, _TRINO = DIALECTS
_DDL = "Print DDL: the lake's tables and views for this engine."


def connect(
    output: Annotated[
        Path | None, typer.Argument(help="NAME.duckdb for a database, NAME.sql for a script.")
    ] = None,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only events from here on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Only events before this (UTC).")] = None,
    org_wide: Annotated[
        bool, typer.Option("--org-wide", help="Count a call that several accounts log once.")
    ] = False,
    for_cluster: Annotated[bool, typer.Option(f"--{_CLUSTER}", help=_DDL)] = False,
    for_athena: Annotated[bool, typer.Option(f"--{_ATHENA}", help=_DDL)] = False,
    for_trino: Annotated[bool, typer.Option(f"--{_TRINO}", help=_DDL)] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a small DuckDB file whose views are the lake, for notebooks, BI and other clients.

    It names the lake's files of now; run it again after an ingest. A file that is there is replaced.
    For an engine that reads Delta tables by itself, print the statements that make the views there.

    Example: ctanalytics connect ./ctanalytics.duckdb --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.connect import connect as run
    from ctanalytics.app.connect import ddl
    from ctanalytics.app.query import Scope
    from ctanalytics.cli import times
    from ctanalytics.errors import UsageError

    settings = console.settings_from({"lake": lake})
    asked = {_CLUSTER: for_cluster, _ATHENA: for_athena, _TRINO: for_trino}
    wanted = [dialect for dialect, is_wanted in asked.items() if is_wanted]
    if len(wanted) + (output is not None) != 1:
        raise UsageError(
            "it is not clear what to write",
            where="OUTPUT",
            mend="name a file such as lake.duckdb, or one of "
            + ", ".join(f"--{dialect}" for dialect in asked),
        )
    if output is None:
        text = ddl(console.lake_place(settings), wanted[0], settings=settings)
        if json:
            console.emit_json({"dialect": wanted[0], "sql": text})
        else:
            console.raw(text)
        return
    scope = Scope(times.moment(since, "--since"), times.moment(until, "--until"), org_wide)
    found = run(output, console.lake_place(settings), scope=scope, settings=settings)
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    console.out(f"{found.path}: a {found.kind} with {found.views} views over {found.files} files")
