"""`ctanalytics rules test`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def test(
    directory: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or files of rules [default: packaged and your own]."),
    ] = None,
    events: Annotated[
        str | None,
        typer.Option(help="Folder with events that mirrors the rules' [default: beside them]."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one object a rule.")] = False,
) -> None:
    """Test rules on events beside them: RULE/match*.json must match, RULE/near_miss*.json must not.

    Example: ctanalytics rules test ./our-rules --json
    """
    from ctanalytics.app.rules.check import check

    settings = console.settings_from({})
    verdicts = check(directory or (), events=events, settings=settings)
    if json:
        console.emit_json(
            [
                {
                    "rule_id": one.rule.rule_id,
                    "title": one.rule.title,
                    "path": one.rule.path,
                    "passed": one.passed,
                    "faults": one.faults,
                    "events": one.events,
                }
                for one in verdicts
            ]
        )
    failed = [one for one in verdicts if not one.passed]
    if not json:
        for one in failed:
            for fault in one.faults:
                console.out(f"{one.rule.path}:{one.rule.line}: {fault}")
    console.note(f"{len(verdicts) - len(failed)} of {len(verdicts)} rules pass their tests")
    if failed:
        raise typer.Exit(1)
