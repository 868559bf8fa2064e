"""`ctanalytics rules show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ctanalytics.cli import completion, console


def show(
    rule: Annotated[
        str, typer.Argument(help="Its id, name or path.", autocompletion=completion.rules)
    ],
    rules: Annotated[
        list[str] | None,
        typer.Option(help="Folder or file of rules; repeatable [default: packaged and your own]."),
    ] = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print the rule as SQL alone.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show a rule: what it looks for, false positives, what to do next, and its SQL.

    Example: ctanalytics rules show tampering/trail_stopped --sql
    """
    from ctanalytics.app.rules.listing import listing, named
    from ctanalytics.app.rules.run import span
    from ctanalytics.sigma.pack import shown_path
    from ctanalytics.sigma.running import statement

    found = named(listing(rules or (), settings=console.settings_from({})), rule)
    text = statement(found, span(None, None)) if found.condition else None
    if sql:
        console.out(text or "-- a correlation has no statement of its own")
        return
    document = found.document
    if json:
        console.emit_json(
            {
                "rule_id": found.rule_id,
                "title": found.title,
                "path": found.path,
                "level": found.level,
                "status": found.status,
                "reason": found.reason,
                "rule": document,
                "sql": text,
            }
        )
        return
    console.out(f"{found.title} ({found.level})")
    console.out(f"{shown_path(found.path)}, id {found.rule_id or '-'}, {found.status}")
    if found.reason:
        console.out(found.reason)
    console.out("")
    console.out(" ".join(str(document.get("description") or "").split()))
    for title, key in (
        ("Tags", "tags"),
        ("False positives", "falsepositives"),
        ("What to do next", "next_steps"),
    ):
        _print_list(title, document.get(key))


def _print_list(title: str, values: Any) -> None:
    if isinstance(values, list) and values:
        console.out(f"\n{title}:")
        for value in values:
            console.out(f"- {value}")
