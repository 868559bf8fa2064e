"""`ctanalytics rules try`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import completion, console
from ctanalytics.cli.times import moment

if TYPE_CHECKING:
    from ctanalytics.app.rules.try_ import Tried


def try_(
    rule: Annotated[
        str,
        typer.Argument(
            help="Its id, name or path, or a file with one rule.", autocompletion=completion.rules
        ),
    ],
    rules: Annotated[
        list[str] | None,
        typer.Option(help="Folder or file of rules; repeatable [default: packaged and your own]."),
    ] = None,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Events from here on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Events up to here (UTC).")] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Id of an event that must go on matching; repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what a rule would have found, by whom, and the exceptions that would quieten it.

    Example: ctanalytics rules try exfiltration/security_group_opened --lake ./lake
    """
    from ctanalytics.app.rules.try_ import try_ as run

    settings = console.settings_from({"lake": lake})
    found = run(
        console.lake_place(settings),
        rule,
        rules or (),
        settings=settings,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        keep=keep or (),
    )
    if json:
        console.emit_json(_as_json(found))
    else:
        _print(found)


def _as_json(found: Tried) -> dict[str, Any]:
    return {
        "rule_id": found.rule.rule_id,
        "title": found.rule.title,
        "hits": found.hits,
        "events": found.events,
        "days": found.days,
        "principals": found.principals,
        "samples": found.samples,
        "exceptions": [_exception(one) for one in found.advice.exceptions],
        "silenced": found.advice.silenced,
        "kept": found.advice.kept,
        "advice": found.advice.reason,
    }


def _exception(one: Any) -> dict[str, str]:
    names = ("rule", "principal", "account", "network", "until", "reason")
    return {name: getattr(one, name) for name in names if getattr(one, name)}


def _print(found: Tried) -> None:
    console.out(f"{found.rule.title} ({found.rule.level}): {found.hits:,} hits")
    if not found.events:
        return
    console.table(("day", "events"), [(day["date"], day["events"]) for day in found.days])
    console.table(
        ("principal", "account", "events", "first (UTC)", "last (UTC)"),
        [tuple(one.values()) for one in found.principals],
    )
    console.table(
        ("event", "when (UTC)", "source", "name", "error", "principal", "address"),
        [tuple(one.values()) for one in found.samples],
    )
    console.out(f"{found.advice.reason}.")
    for one in found.advice.exceptions:
        console.out("\n[[rules.exceptions]]")
        for name, value in _exception(one).items():
            console.out(f"{name} = {_toml(value)}")


def _toml(text: str) -> str:
    import json

    return json.dumps(text)
