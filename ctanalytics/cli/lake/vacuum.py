"""`ctanalytics lake vacuum`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def vacuum(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    retention_hours: Annotated[
        float | None,
        typer.Option(help="Files younger than that stay [default: care.retention_hours]."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Allow less than 24 hours: nobody may be at work.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Name the files; delete nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Delete files that were taken out of a lake's tables, or that never were in one.

    Example: ctanalytics lake vacuum --lake ./lake --dry-run
    """
    import dataclasses

    from ctanalytics.app.lake.vacuum import vacuum as run

    settings = console.settings_from({"lake": lake})
    result = run(
        console.lake_place(settings),
        settings=settings,
        retention_hours=retention_hours,
        force=force,
        dry_run=dry_run,
    )
    if json:
        totals = {"files": result.files, "size_bytes": result.size_bytes}
        console.emit_json(dataclasses.asdict(result) | totals)
        return
    for one in result.tables:
        for path in one.paths:
            console.out(f"{one.table}/{path}")
    verb = "would be deleted" if dry_run else "deleted"
    console.out(f"{result.files:,} files, {result.size_bytes:,} bytes {verb}")
    kept = sum(one.kept_for_plans for one in result.tables)
    if kept:
        console.note(f"{kept} files stay, since an ingest that has not ended names them")
