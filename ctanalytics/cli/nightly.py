"""`ctanalytics nightly`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import completion, console

if TYPE_CHECKING:
    from ctanalytics.app.nightly.records import StepResult
    from ctanalytics.app.nightly.run import NightlyResult

STEPS = ("ingest", "validate", "audit", "detect", "incidents", "emit", "report", "care")


def nightly(
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="First step: ingest, validate, audit, detect, incidents, emit, report or care.",
            autocompletion=completion.one_of(*STEPS),
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only this step; repeatable.", autocompletion=completion.one_of(*STEPS)),
    ] = None,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            help="Folder or s3://bucket/prefix; each day's report lies below it by its date."
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew even where a run was killed.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait", help="Wait after midnight until the day's last files are due."
        ),
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print the run as JSON.")] = False,
) -> None:
    """Do the night's work: ingest, validate, audit, detect, incidents, emit, report and care.

    Settings name the sources, the lake and the targets. A step that fails stops no other. What goes
    to stderr is JSON lines unless it is a terminal.

    Example: ctanalytics nightly --config ctanalytics.toml
    """
    import dataclasses

    from ctanalytics.app.nightly.run import nightly as run

    settings = console.settings_from({"lake": lake})
    structure(sys.stderr.isatty())
    result = run(
        settings,
        begin=begin,
        only=only or (),
        output=output,
        fresh=fresh,
        wait=wait,
        report=tell,
    )
    conclude(result)
    if json:
        shown = dataclasses.asdict(result)
        console.emit_json(shown | {"state": result.state, "exit_code": result.exit_code})
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def structure(is_terminal: bool) -> None:
    """Write JSON lines where nobody watches, unless a format was asked for."""
    asked = "log_format" in console.shared.flags or "CTANALYTICS_LOG_FORMAT" in os.environ
    if not is_terminal and not asked:
        console.shared.log_format = "json"


def tell(step: StepResult) -> None:
    """Say on stderr what a step came to."""
    for note in step.notes:
        console.note(f"{step.step}: {note}", step=step.step)
    fields: dict[str, Any] = {
        "step": step.step,
        "state": step.state,
        "seconds": step.seconds,
        "counts": step.counts,
    }
    if step.identities:
        fields["identities"] = step.identities
    if step.error:
        fields["error"] = step.error
    shown = ", ".join(
        f"{name.replace('_', ' ')} {value:,}"
        for name, value in step.counts.items()
        if isinstance(value, int) and value and not name.endswith("_id")
    )
    counts = f": {shown}" if shown else ""
    console.note(f"{step.step} {step.state}{counts}; {step.seconds:.1f} s", **fields)
    if step.error and console.shared.log_format != "json":
        console.note(step.error)


def conclude(result: NightlyResult) -> None:
    """Say on stderr what the run came to as a whole."""
    for note in result.notes:
        console.note(note)
    if result.resumed:
        console.note(f"done before by the run that was killed: {', '.join(result.resumed)}")
    console.note(
        f"night of {result.day} {result.state}; {result.seconds:.1f} s",
        run_id=result.run_id,
        day=str(result.day),
        state=result.state,
        exit_code=result.exit_code,
        seconds=result.seconds,
    )
