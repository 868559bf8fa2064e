"""`ctanalytics accounts sync`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def sync(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was taken as JSON.")] = False,
) -> None:
    """Take names, units, environments and owners of all accounts from AWS Organizations.

    Example: ctanalytics accounts sync --lake ./lake --profile management
    """
    import dataclasses
    import datetime as dt

    from ctanalytics.app.accounts.sync import sync as run

    settings = console.settings_from({"lake": lake})
    found = run(console.lake_of(settings), settings=settings, now=dt.datetime.now(dt.UTC))
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    console.out(f"{found.rows} accounts taken from {found.origin}")
