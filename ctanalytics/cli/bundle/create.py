"""`ctanalytics bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import console


def bundle(
    context: typer.Context,
    incident: Annotated[
        str | None, typer.Option(help="Pack the evidence of this anomaly: its id, or a beginning.")
    ] = None,
    sql: Annotated[
        str | None,
        typer.Option(help="Pack these rows: a SELECT with event_id, source_object, source_row."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The zip file.")] = Path(
        "case.zip"
    ),
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    public_keys: Annotated[
        list[Path] | None,
        typer.Option(help="File with AWS's public keys [default: those that validate used]."),
    ] = None,
    max_rows: Annotated[int, typer.Option(help="Rows to pack at most.")] = 100_000,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Pack rows with the log files, digests and keys that prove them.

    Example: ctanalytics bundle --sql "select * from events where event_name = 'StopLogging'" --lake ./lake -o case.zip
    """
    if context.invoked_subcommand is not None:
        return
    import dataclasses

    from ctanalytics.app.bundle.create import bundle as run

    settings = console.settings_from({"lake": lake})
    result = run(
        console.lake_place(settings),
        output,
        incident=incident,
        sql=sql,
        public_keys=public_keys or (),
        settings=settings,
        most_rows=max_rows,
    )
    if json:
        console.emit_json(dataclasses.asdict(result) | {"proved": result.proved})
    else:
        files = ", ".join(f"{count} {verdict}" for verdict, count in result.log_files.items())
        console.out(
            f"{result.path}: {result.rows} rows of {sum(result.log_files.values())} log files "
            f"({files or 'none'}), {result.digests} digests, {result.keys} keys"
        )
    for text in (*result.absent, *result.notes):
        console.note(text)
    if not result.proved:
        raise typer.Exit(3)
