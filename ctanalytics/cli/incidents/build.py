"""`ctanalytics incidents build`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def build(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Merge anomalies that belong together into incidents; running twice adds nothing.

    Example: ctanalytics incidents build --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.incidents.build import build_incidents

    settings = console.settings_from({"lake": lake})
    result = build_incidents(console.lake_place(settings), settings=settings)
    if json:
        console.emit_json(dataclasses.asdict(result))
        return
    console.note(
        f"{result.anomalies:,} new or changed anomalies: {result.opened:,} incidents opened, "
        f"{result.updated:,} updated, {result.closed:,} closed, {result.merged:,} merged; "
        f"{result.seconds:.1f} s"
    )
