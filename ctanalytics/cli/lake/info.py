"""`ctanalytics lake info`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def info(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show a lake's tables, their rows, files and bytes, and the span of its events.

    Example: ctanalytics lake info --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.lake.info import info as run

    found = run(console.lake_of(console.settings_from({"lake": lake})))
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    console.out(
        f"{found.uri}: format {found.format_version}, {found.dates} dates, "
        f"events from {console.plain(found.first_event) if found.first_event else '-'} "
        f"to {console.plain(found.last_event) if found.last_event else '-'}, "
        f"{found.plans} ingest plans, {found.unfinished_plans} unfinished"
    )
    console.table(
        ("table", "rows", "files", "bytes", "version"),
        [(t.name, t.rows, t.files, t.size_bytes, t.version) for t in found.tables],
    )
