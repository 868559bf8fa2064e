"""`ctanalytics views`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def views(
    name: Annotated[str | None, typer.Argument(help="Show the columns of this view.")] = None,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print all views as JSON.")] = False,
) -> None:
    """List the views that SQL can ask, or the columns of one.

    Example: ctanalytics views users --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.views import views as run
    from ctanalytics.errors import UsageError

    found = run(console.lake_of(console.settings_from({"lake": lake})))
    chosen = [view for view in found if name in (None, view.name)]
    if not chosen:
        raise UsageError(
            f"there is no view {name!r}",
            where="NAME",
            mend=f"use one of {', '.join(view.name for view in found)}",
        )
    if json:
        console.emit_json([dataclasses.asdict(view) for view in chosen])
    elif name is None:
        console.table(
            ("view", "one row for each", "columns", "about"),
            [(view.name, view.grain, len(view.columns), view.about) for view in chosen],
        )
    else:
        view = chosen[0]
        console.out(
            f"{view.name}: {view.about}\none row for each: {view.grain}\nunits: {view.units}"
        )
        console.table(("column", "type"), list(view.columns.items()))
