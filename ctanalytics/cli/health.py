"""`ctanalytics health`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import console
from ctanalytics.cli.times import moment

if TYPE_CHECKING:
    from ctanalytics.app.health import HealthResult

_TROUBLES = {
    "stopped": "logging was switched off",
    "incomplete": "log files that digests promise are missing or altered",
    "blind": "silent, and no digest tells whether anything was logged",
    "quiet": "silent, and digests say that nothing was logged",
}


def health(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="From here on (UTC) [default: 7 days before the end].")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Up to here (UTC) [default: the newest hour].")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show where the lake is complete and where it is blind: exit code 3 when it is blind.

    Example: ctanalytics health --lake ./lake --since 2026-11-01
    """
    import dataclasses

    from ctanalytics.app.health import health as run

    settings = console.settings_from({"lake": lake})
    result = run(
        console.lake_place(settings),
        settings=settings,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
    )
    if json:
        console.emit_json(dataclasses.asdict(result))
    else:
        _print(result)
    if not result.log_files:
        console.note("no log file is validated yet: `ctanalytics validate SOURCE --lake LAKE`")
    if result.blind:
        raise typer.Exit(3)


def _print(result: HealthResult) -> None:
    console.table(
        (
            *("account", "region", "complete", "quiet", "unproved", "incomplete", "stopped"),
            *("unknown", "events", "files held", "promised", "late"),
        ),
        [_cell(row) for row in result.cells],
        title=f"hours from {result.since:%Y-%m-%d %H:%M} to {result.until:%Y-%m-%d %H:%M} UTC",
    )
    for span in result.spans:
        console.out(_span(span))
    for name, counts in (("digests", result.digests), ("log files", result.log_files)):
        if counts:
            said = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
            console.out(f"{name}: {said}")


def _cell(row: dict[str, Any]) -> tuple[Any, ...]:
    states = ("complete", "quiet", "unproved", "incomplete", "stopped", "unknown")
    return (
        row["account_id"],
        row["aws_region"],
        *(row[f"hours_{state}"] for state in states),
        row["events"],
        row["files_held"],
        row["files_promised"],
        row["late_files"],
    )


def _span(span: dict[str, Any]) -> str:
    length = f"{span['hours']} hour{'s' if span['hours'] != 1 else ''}"
    text = (
        f"{span['trouble']:10} {span['account_id']} {span['aws_region']} "
        f"{span['since']:%Y-%m-%d %H:%M} to {span['until']:%Y-%m-%d %H:%M} UTC ({length}): "
        f"{_TROUBLES[span['trouble']]}"
    )
    if span["trouble"] == "incomplete":
        lost = span["files_promised"] - span["files_held"]
        return (
            f"{text}: {lost} of {span['files_promised']} not held, {span['files_altered']} altered"
        )
    if span["trouble"] in ("blind", "quiet"):
        return f"{text}; usual are {span['usual_events']:g} events an hour"
    return text
