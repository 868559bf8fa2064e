"""`ctanalytics rules lint`."""

from __future__ import annotations

from typing import Annotated

import typer

from ctanalytics.cli import console


def lint(
    directory: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or files of rules [default: packaged and your own]."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one object a remark.")] = False,
) -> None:
    """Check rules: ids, titles, tags, dead field names, unknown APIs; exit code 1 on errors.

    Example: ctanalytics rules lint ./our-rules
    """
    import dataclasses

    from ctanalytics.app.rules.lint import lint as run

    remarks = run(directory or (), settings=console.settings_from({}))
    if json:
        console.emit_json([dataclasses.asdict(one) for one in remarks])
    else:
        for one in remarks:
            console.out(f"{one.path}:{one.line}: {one.severity}: {one.message}")
    errors = sum(one.severity == "error" for one in remarks)
    console.note(f"{errors} errors, {len(remarks) - errors} warnings")
    if errors:
        raise typer.Exit(1)
