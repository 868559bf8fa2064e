"""`ctanalytics watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics.cli import console
from ctanalytics.cli.times import duration

if TYPE_CHECKING:
    from ctanalytics.app.watch import WatchRound


def watch(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or s3://bucket/prefix; else `sources` of the settings."),
    ] = None,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(help="Where alerts go, as in `emit`; repeatable. Else `emit.targets`."),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(help="From the start of one round to the next: 30s, 5m [default: 5m]."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print each round as a line of JSON.")
    ] = False,
) -> None:
    """Ingest, run rules and rate detectors, send alerts; again and again, until Ctrl-C or SIGTERM.

    Example: ctanalytics watch s3://central-trail-logs --lake ./lake --to sns:TOPIC_ARN --every 5m
    """
    import dataclasses
    from contextlib import closing

    from ctanalytics.app.watch import watch as rounds
    from ctanalytics.errors import UsageError

    flags = {"lake": lake, "sources": sources or None, "emit.targets": to or None}
    settings = console.settings_from(flags)
    console.lake_place(settings)
    if json and "stdout" in settings.emit.targets:
        raise UsageError(
            "both the alerts and the rounds would go to standard output",
            where="--json",
            mend="send the alerts to file:PATH, or leave --json out",
        )
    passes = rounds(settings, every_seconds=duration(every, "--every"))
    try:
        with closing(passes):
            for found in passes:
                if json:
                    console.emit_json_line(dataclasses.asdict(found) | {"state": found.state})
                else:
                    _tell(found)
    except KeyboardInterrupt:
        console.note("stopped; what was begun is finished by the next run")


def _tell(found: WatchRound) -> None:
    """A line for each round on stderr, and more where there is something to know."""
    if found.state == "skipped":
        console.note("another run is at work in this lake; the next round comes in its time")
        return
    done = []
    for step in found.steps:
        counts = {
            name: value for name, value in step.counts.items() if isinstance(value, int) and value
        }
        shown = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in counts.items())
        done.append(f"{step.step}: {shown or step.state}")
        if step.error:
            console.note(f"{step.step} {step.state}: {step.error}")
    console.note(
        f"round {found.number} {found.state} in {found.seconds:.1f} s ({'; '.join(done)})",
        round=found.number,
        state=found.state,
        seconds=found.seconds,
    )
