"""`ctanalytics rules list`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def list_(
    directory: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or files of rules [default: packaged and your own]."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List rules: level, title, path and tags, and why those that can't run can't.

    Example: ctanalytics rules list ./our-rules --json
    """
    from ctanalytics.app.rules.listing import listing
    from ctanalytics.sigma.pack import shown_path

    rules = listing(directory or (), settings=console.settings_from({}))
    if json:
        console.emit_json(
            [
                {
                    "rule_id": rule.rule_id,
                    "title": rule.title,
                    "path": rule.path,
                    "level": rule.level,
                    "tags": list(rule.tags),
                    "status": rule.status,
                    "reason": rule.reason,
                }
                for rule in rules
            ]
        )
        return
    console.table(
        ("level", "title", "path", "tags"),
        [(rule.level, rule.title, shown_path(rule.path), ", ".join(rule.tags)) for rule in rules],
    )
    for rule in rules:
        if rule.reason:
            console.note(f"{rule.path}:{rule.line}: {rule.status}: {rule.reason}")
    console.note(f"{len(rules)} rules")
