"""`ctanalytics rules coverage`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def coverage(
    directory: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or files of rules [default: packaged and your own]."),
    ] = None,
    lake: Annotated[
        str | None, typer.Option(help="A lake: also show which rules can't fire on it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show the techniques of ATT&CK and Stratus Red Team that rules know, and blind spots.

    Example: ctanalytics rules coverage --lake ./lake --json
    """
    import dataclasses

    from ctanalytics.app.rules.coverage import coverage as run

    settings = console.settings_from({"lake": lake})
    found = run(directory or (), lake=settings.lake or None, settings=settings)
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    for title, techniques in (("ATT&CK", found.attack), ("Stratus Red Team", found.stratus)):
        console.table(
            ("technique", "tactics", "rules"),
            [(one.name, ", ".join(one.tactics), ", ".join(one.rules)) for one in techniques],
            title=title,
        )
    if found.blind_spots:
        console.table(
            ("rule", "why it can't fire"),
            [(one.path, one.reason) for one in found.blind_spots],
            title="Blind spots",
        )
    covered = sum(bool(one.rules) for one in found.stratus)
    console.note(
        f"{found.rules} rules, {len(found.attack)} techniques of ATT&CK, {covered} of "
        f"{len(found.stratus)} of Stratus Red Team, {len(found.blind_spots)} blind spots"
    )
