"""`ctanalytics bundle verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import console


def verify(
    bundle: Annotated[Path, typer.Argument(help="The zip file that bundle made.")],
    public_keys: Annotated[
        list[Path] | None,
        typer.Option(help="File with AWS's public keys, from elsewhere; repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check that a case bundle proves its rows, without a network: exit code 0 proved, 3 not.

    Example: ctanalytics bundle verify case.zip --public-keys keys.json
    """
    import dataclasses

    from ctanalytics.app.bundle.verify import verify as run

    result = run(bundle, public_keys=public_keys or ())
    if json:
        console.emit_json(dataclasses.asdict(result) | {"whole": result.whole})
    else:
        for text in result.findings:
            console.out(text)
        console.out(
            f"{result.rows_proved} of {result.rows} rows are proved by log files and digests; "
            f"made {result.created_at} from {result.lake}"
        )
        console.out(f"keys: {result.keys}")
    for text in result.notes:
        console.note(text)
    if not result.whole:
        raise typer.Exit(3)
