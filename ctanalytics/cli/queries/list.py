"""`ctanalytics queries list`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def list_queries(
    word: Annotated[
        str | None, typer.Argument(help="Only queries with this word in name or meaning.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the queries as JSON.")] = False,
) -> None:
    """List the saved queries and what each answers.

    Example: ctanalytics queries list key
    """
    import dataclasses

    from ctanalytics.app.queries import queries

    wanted = (word or "").lower()
    found = [one for one in queries() if wanted in f"{one.name} {one.about}".lower()]
    if json:
        console.emit_json([dataclasses.asdict(one) for one in found])
        return
    console.table(
        ("query", "parameters", "answers"),
        [(one.name, ", ".join(each.name for each in one.parameters), one.about) for one in found],
    )
