"""`ctanalytics queries show`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import completion, console


def show(
    name: Annotated[str, typer.Argument(help="A saved query.", autocompletion=completion.queries)],
    json: Annotated[bool, typer.Option("--json", help="Print the query as JSON.")] = False,
) -> None:
    """Show a saved query: what it answers, its parameters and its SQL.

    Example: ctanalytics queries show who_is_behind_key
    """
    import dataclasses

    from ctanalytics.app.queries import saved

    found = saved(name)
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    console.out(f"{found.about}\none row for each: {found.grain}\nreads: {found.reads}")
    for parameter in found.parameters:
        default = "has to be given" if parameter.default is None else f"else {parameter.default}"
        console.out(f"--param {parameter.name}=...  {parameter.kind}, {default}")
    console.out("\n" + found.sql.rstrip())
