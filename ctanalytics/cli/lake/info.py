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
    """Show a lake's tables, the span of its events, the state of its files, and what to do next.

    Example: ctanalytics lake info --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.lake.info import info as run

    settings = console.settings_from({"lake": lake})
    found = run(console.lake_of(settings), settings=settings)
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
        ("table", "rows", "files", "small", "bytes", "version"),
        [(t.name, t.rows, t.files, t.small_files, t.size_bytes, t.version) for t in found.tables],
    )
    size = f"{found.bytes_per_event:g} bytes an event; " if found.bytes_per_event else ""
    console.out(
        f"{size}{found.open_dates} dates open, {found.closed_dates} closed; "
        f"to sort: {found.to_sort}, to merge: {found.to_merge}"
    )
    console.out("; ".join(f"last {what}: {at or 'never'}" for what, at in found.last.items()))
    for text in found.advice:
        console.out(f"next: {text}")
