"""`ctanalytics mark`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def mark(
    anomaly_id: Annotated[str, typer.Argument(help="The anomaly's id, or the beginning of it.")],
    benign: Annotated[bool, typer.Option("--benign", help="It was fine.")] = False,
    confirmed: Annotated[bool, typer.Option("--confirmed", help="It was an incident.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Take back what was said.")] = False,
    note: Annotated[str | None, typer.Option(help="Why; kept with the mark.")] = None,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the mark as JSON.")] = False,
) -> None:
    """Say what an anomaly was. Detectors no longer learn from its days; no target is told of it again.

    Example: ctanalytics mark 3f9a51c2 --benign --note "the yearly audit" --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.mark import mark as run
    from ctanalytics.errors import UsageError

    chosen = [
        verdict
        for verdict, wanted in (("benign", benign), ("confirmed", confirmed), ("none", clear))
        if wanted
    ]
    if len(chosen) != 1:
        raise UsageError(
            "a mark says one thing",
            where="--benign, --confirmed, --clear",
            mend="give exactly one of them",
        )
    settings = console.settings_from({"lake": lake})
    result = run(anomaly_id, console.lake_place(settings), chosen[0], note=note, settings=settings)
    if json:
        console.emit_json(dataclasses.asdict(result))
        return
    said = "no longer marked" if result.verdict == "none" else f"marked {result.verdict}"
    before = f" (was {result.before})" if result.before != "none" else ""
    console.out(f"{said}{before}: {result.title}")
