"""`ctanalytics lake expire`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics.cli import console

if TYPE_CHECKING:
    import datetime as dt

    from ctanalytics.app.lake.expire import ExpireResult


def expire(
    older_than: Annotated[
        str, typer.Option(help="400d (before today, UTC), or the first date that stays.")
    ],
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    undated: Annotated[
        bool, typer.Option("--undated", help="Also records without a believable time.")
    ] = False,
    ledger: Annotated[
        bool,
        typer.Option(
            "--ledger",
            help="Also what is known about log files: those still in a source are read again.",
        ),
    ] = False,
    findings: Annotated[
        bool,
        typer.Option(
            "--findings", help="Also anomalies, incidents, where they were sent, records of nights."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go; take nothing out.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Take records of old dates out of a lake.

    Example: ctanalytics lake expire --older-than 400d --lake ./lake --yes
    """
    import dataclasses
    import functools

    from ctanalytics.app.lake.expire import expire as verb

    settings = console.settings_from({"lake": lake})
    before = _first_day(older_than)
    run = functools.partial(
        verb,
        console.lake_place(settings),
        before=before,
        settings=settings,
        undated=undated,
        ledger=ledger,
        findings=findings,
    )
    if not (dry_run or yes):
        _ask(run(dry_run=True))
    result = run(dry_run=dry_run)
    if json:
        console.emit_json(dataclasses.asdict(result) | {"rows": result.rows})
        return
    _print(result)


def _first_day(text: str) -> dt.date:
    import datetime as dt

    from ctanalytics.cli.times import day, duration
    from ctanalytics.errors import UsageError

    try:
        if text[:-1].isdigit():
            seconds = duration(text, "--older-than") or 0.0
            return (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)).date()
        return day(text, "--older-than")[0].date()
    except UsageError as error:
        raise UsageError(
            f"{text!r} is neither an age nor a date",
            where="--older-than",
            mend="write 400d, or the first date that stays: 2026-11-24",
        ) from error


def _ask(would: ExpireResult) -> None:
    from ctanalytics.errors import UsageError

    if not would.rows:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"{would.rows} rows would go, and there is nobody to ask",
            where="--yes",
            mend="add --yes, or --dry-run to see what would go",
        )
    typer.confirm(f"Take {would.rows:,} rows of before {would.before} out?", abort=True, err=True)


def _print(result: ExpireResult) -> None:
    console.table(
        ("table", "rows", "files", "bytes"),
        [(one.table, one.rows, one.files, one.size_bytes) for one in result.tables],
    )
    verb = "would go" if result.dry_run else "are gone"
    console.out(f"{result.rows:,} rows of before {result.before} {verb}")
    if result.undated_rows:
        console.note(f"{result.undated_rows} rows without a believable time stay; see --undated")
    if result.rows and not result.dry_run:
        console.note("their files stay on disk until `ctanalytics lake vacuum`")
