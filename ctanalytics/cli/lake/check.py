"""`ctanalytics lake check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics.cli import console

if TYPE_CHECKING:
    from ctanalytics.app.lake.check import CheckResult


def check(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Read every file to its end; look for repeated keys and wrong dates."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Prove that a lake's log, files, rows and ledger agree; exit code 3 when they do not.

    Example: ctanalytics lake check --lake ./lake --deep
    """
    import dataclasses

    from ctanalytics.app.lake.check import check as run

    settings = console.settings_from({"lake": lake})
    seen = 0
    with console.progress("check") as bar:

        def tell(what: str) -> None:
            nonlocal seen
            seen += 1
            bar.update(seen, what)

        result = run(console.lake_place(settings), settings=settings, deep=deep, progress=tell)
    if json:
        console.emit_json(dataclasses.asdict(result) | {"complete": result.complete})
    else:
        _print(result)
    if not result.complete:
        raise typer.Exit(3)


def _print(result: CheckResult) -> None:
    console.out(
        f"{result.tables} tables, {result.files:,} files, {result.rows:,} rows; "
        f"{result.objects:,} objects read, with {result.records:,} records: {result.kept:,} kept, "
        f"{result.duplicates:,} duplicate, {result.quarantined:,} quarantined, "
        f"{result.filtered:,} filtered"
    )
    if result.expired_before:
        console.out(f"records of before {result.expired_before} were taken out by `lake expire`")
    if result.complete:
        console.out("no flaw was found" + ("" if result.deep else " (--deep looks closer)"))
        return
    for flaw in result.flaws:
        console.out(f"{flaw.check}: {flaw.what}")
        console.out(f"  in   {flaw.table + ' ' if flaw.table else ''}{flaw.where}")
        console.out(f"  mend {flaw.mend}")
    console.out(f"{len(result.flaws)} flaws")
