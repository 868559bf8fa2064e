"""`ctanalytics show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ctanalytics.cli import console


def show(
    event_id: Annotated[str, typer.Argument(help="The event's id.")],
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="Account, where several log an event of this id.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="How far around the event to look.")] = 5.0,
    json: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
) -> None:
    """Show one event whole: its file and verdict, its session, and what happened around it.

    Example: ctanalytics show 3b3d6347-672e-4bd9-aa2f-e77978f878b2 --lake ./lake
    """
    import dataclasses
    import datetime as dt

    from ctanalytics.app.show import show as run

    settings = console.settings_from({"lake": lake})
    found = run(
        event_id,
        console.lake_place(settings),
        account_id=account,
        around=dt.timedelta(minutes=minutes),
        settings=settings,
    )
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    console.table(("field", "value"), [(k, _plain(v)) for k, v in found.record.items()])
    if found.session:
        rows = [(k, _plain(v)) for k, v in found.session.items() if v is not None]
        console.table(("session", ""), rows, title="Session")
    if found.neighbours:
        columns = list(found.neighbours[0])
        rows = [tuple(each.values()) for each in found.neighbours]
        console.table(columns, rows, title=f"Within {minutes:g} minutes")
    if found.copies:
        console.out("also logged in " + ", ".join(found.copies))


def _plain(value: Any) -> Any:
    """Numbers of a record are ids and counts: shown as they are; chains with an arrow."""
    if isinstance(value, list):
        return " -> ".join(str(each) for each in value)
    return console.plain(value)
