"""`ctanalytics rules run`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console
from ctanalytics.cli.times import moment


def run(
    directory: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or files of rules [default: packaged and your own]."),
    ] = None,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Events from here on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Events up to here (UTC).")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one object a rule, with all event ids.")
    ] = False,
) -> None:
    """Run rules over a lake and show what each finds; nothing is stored.

    Example: ctanalytics rules run ./our-rules --lake ./lake --since 2026-11-01 --json
    """
    from ctanalytics.app.rules.run import run as run_rules

    settings = console.settings_from({"lake": lake})
    found = run_rules(
        console.lake_place(settings),
        directory or (),
        settings=settings,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
    )
    if json:
        console.emit_json(
            [
                {
                    "rule_id": one.rule.rule_id,
                    "title": one.rule.title,
                    "path": one.rule.path,
                    "status": one.status,
                    "reason": one.reason,
                    "hits": one.hits,
                    "event_ids": one.event_ids,
                }
                for one in found.outcomes
            ]
        )
    else:
        hit = sorted((one for one in found.outcomes if one.hits), key=lambda one: -one.hits)
        console.table(
            ("hits", "level", "rule", "path"),
            [(one.hits, one.rule.level, one.rule.title, one.rule.path) for one in hit],
        )
    for one in found.outcomes:
        if one.reason:
            console.note(f"{one.rule.path}:{one.rule.line}: {one.status}: {one.reason}")
    ran = sum(one.status == "ok" for one in found.outcomes)
    console.note(
        f"{ran} of {len(found.outcomes)} rules ran, "
        f"{sum(one.hits > 0 for one in found.outcomes)} found something; {found.seconds:.1f} s"
    )
    if not found.complete:
        raise typer.Exit(3)
