"""`ctanalytics explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from ctanalytics.cli import console

if TYPE_CHECKING:
    from ctanalytics.app.explain import ExplainResult

_SHOWN: Final = (
    "event_time",
    "account_id",
    "aws_region",
    "event_source",
    "event_name",
    "error_code",
    "source_ip_address",
    "event_id",
)


def explain(
    anomaly_id: Annotated[str, typer.Argument(help="The anomaly's id, or the beginning of it.")],
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    events: Annotated[int, typer.Option(help="How many of its events to print.", min=0)] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
) -> None:
    """Tell why an anomaly is one: what was done, its own past and its peers, the events behind it.

    Example: ctanalytics explain 3f9a51c2 --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.explain import explain as run

    settings = console.settings_from({"lake": lake})
    found = run(anomaly_id, console.lake_place(settings), events=events, settings=settings)
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    _print(found)


def _print(found: ExplainResult) -> None:
    from ctanalytics.app.explain import moment

    row = found.anomaly
    console.out(f"{row['severity'].upper()}  {row['title']}")
    console.out(row["explanation"])
    span = f"{moment(row['started_at'])} to {moment(row['ended_at']) or 'now'} UTC"
    console.out(f"\n{row['anomaly_id']}  {row['detector']}, {row['state']}, {span}")
    if row["verdict"]:
        note = f": {row['verdict_note']}" if row["verdict_note"] else ""
        console.out(f"{row['verdict']}{note}")
    if found.facts:
        columns = [name for name in found.facts[0] if any(fact[name] for fact in found.facts)]
        rows = [[fact[name] for name in columns] for fact in found.facts]
        console.table(columns, rows, title="Facts")
    if found.events:
        title = f"Events: {len(found.events):,} of {found.event_count:,}"
        rows = [[one[name] for name in _SHOWN] for one in found.events]
        console.table(_SHOWN, rows, title=title)
    if found.next_steps:
        console.out("Next steps\n" + "\n".join(f"- {step}" for step in found.next_steps) + "\n")
    if len(found.revisions) > 1:
        columns = list(found.revisions[0])
        console.table(columns, [list(one.values()) for one in found.revisions], title="Revisions")
    if found.sent:
        columns = list(found.sent[0])
        console.table(columns, [list(one.values()) for one in found.sent], title="Targets")
    if found.sql:
        console.out(f"All events:\n{found.sql}")
    for note in found.notes:
        console.note(note)
