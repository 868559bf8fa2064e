"""`ctanalytics hunt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import console


def hunt(
    iocs: Annotated[
        Path,
        typer.Option(
            help="List of addresses, networks, access keys, ARNs, account ids and user agents "
            "(* for any characters), one a line, or a CSV file with a column value."
        ),
    ],
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only events from here on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Only events before this (UTC).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the hits as JSON.")] = False,
) -> None:
    """Find the events that bear one of a list of indicators of compromise.

    Exits with 3 when there are hits.

    Example: ctanalytics hunt --iocs bad.txt --since 2026-11-01 --lake ./lake
    """
    from ctanalytics.app.hunt import hunt as run
    from ctanalytics.app.query import Scope
    from ctanalytics.cli import times

    settings = console.settings_from({"lake": lake})
    scope = Scope(times.moment(since, "--since"), times.moment(until, "--until"))
    found = run(iocs, console.lake_place(settings), scope=scope, settings=settings)
    rows = found.hits.to_pylist()
    if json:
        console.emit_json({"indicators": found.indicators, "hits": rows})
    elif rows:
        names = [name for name in found.hits.column_names if name != "event_ids"]
        console.table(names, [[row[name] for name in names] for row in rows])
    calls = sum(row["calls"] for row in rows)
    hit = len({row["indicator"] for row in rows})
    console.note(f"{hit} of {found.indicators} indicators met, by {calls:,} calls")
    if rows:
        raise typer.Exit(3)
