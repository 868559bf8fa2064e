"""`ctanalytics investigate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics.cli import console
from ctanalytics.cli.times import moment

if TYPE_CHECKING:
    from ctanalytics.reporting.investigation import Investigation

_SHOWN = 8
"""Rows of a table that the summary shows."""


def investigate(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="An access key id, or the id of an Identity Center token.")
    ] = None,
    principal: Annotated[
        str | None, typer.Option(help="ARN of a user, a role or one session of a role.")
    ] = None,
    ip: Annotated[str | None, typer.Option(help="An address or a network.")] = None,
    event: Annotated[str | None, typer.Option(help="An event's id.")] = None,
    resource: Annotated[str | None, typer.Option(help="A resource's ARN, id or name.")] = None,
    since: Annotated[
        str | None, typer.Option(help="From this time on (UTC) [default: 30 days before --until].")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Before this time (UTC) [default: the newest event].")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder of investigation.html and investigation.json.")
    ] = Path("investigation"),
    rows: Annotated[int, typer.Option(help="Most rows of each table.", min=1)] = 200,
    json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Gather all that logs show of a key, a principal, an address, an event or a resource.

    Credentials that came of its calls are followed, across accounts. One page has it all: timeline,
    sessions, what it left behind, touched and was refused, what was new, where it came from, ATT&CK
    lanes, gaps in the evidence, and the SQL behind each part.

    Example: ctanalytics investigate --key AKIAIOSFODNN7EXAMPLE --lake ./lake
    """
    from ctanalytics.app.investigate import investigate as run
    from ctanalytics.errors import UsageError

    given = [
        (kind, value)
        for kind, value in (
            ("key", key),
            ("principal", principal),
            ("ip", ip),
            ("event", event),
            ("resource", resource),
        )
        if value is not None
    ]
    if len(given) != 1:
        raise UsageError(
            "an investigation has one subject" + (f", not {len(given)}" if given else ""),
            where=", ".join(f"--{kind}" for kind, _ in given),
            mend="give one of --key, --principal, --ip, --event, --resource",
        )
    ((kind, value),) = given
    settings = console.settings_from({"lake": lake})
    result = run(
        console.lake_of(settings),
        kind=kind,  # type: ignore[arg-type]
        value=value,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        rows=rows,
        output=output,
        settings=settings,
    )
    if json:
        console.emit_json(result.data())
        return
    _summary(result.found)
    console.out(str(result.html))


def _summary(found: Investigation) -> None:
    """The headline, then of each part what it says and the start of its first table."""
    console.out(f"{found.headline}, {_clock(found.since)} to {_clock(found.until)} UTC.")
    for note in found.notes:
        console.out(note)
    for part in found.parts:
        console.out(f"\n{part.title}: {part.absent or part.sentences[0]}")
        if part.name in ("sessions", "persistence", "first_seen", "tactics"):
            for table in [each for each in part.tables if each.rows][-1:]:
                columns = [each for each in table.columns if each.kind != "rate"][:7]
                shown = [[row.get(each.name) for each in columns] for row in table.rows[:_SHOWN]]
                console.table([each.label for each in columns], shown)
                if table.found > len(shown):
                    console.out(f"and {table.found - len(shown):,} more")


def _clock(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M}"
