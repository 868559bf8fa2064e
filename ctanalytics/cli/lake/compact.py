"""`ctanalytics lake compact`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics.cli import console
from ctanalytics.cli.executor import ExecutorFlag, MasterFlag, flags

if TYPE_CHECKING:
    from ctanalytics.app.lake.compact import CompactResult

_WHY = {"close": "sorted for good", "late": "late files joined", "merge": "small files joined"}


def compact(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; repeatable.")] = None,
    rewrite: Annotated[
        bool,
        typer.Option("--rewrite", help="Sort all closed dates again, as after another care.sort."),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes [default: care.workers]; 0: one for each core.")
    ] = None,
    executor: ExecutorFlag = None,
    master: MasterFlag = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what there is to do; write nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write many small files of a lake anew as few large ones, sorted where a date is closed.

    Example: ctanalytics lake compact --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.lake.compact import compact as run

    settings = console.settings_from(
        {"lake": lake, "care.workers": workers, **flags(executor, master)}
    )
    with console.progress("compact") as bar:
        result = run(
            console.lake_place(settings),
            settings=settings,
            tables=table or (),
            rewrite=rewrite,
            dry_run=dry_run,
            progress=lambda done, total: bar.update(done, f"{done} of {total}"),
        )
    if json:
        totals = {name: getattr(result, name) for name in ("rows", "bytes_before", "bytes_after")}
        console.emit_json(dataclasses.asdict(result) | totals)
    else:
        _print(result, dry_run=dry_run)
    if not result.complete:
        console.note(
            f"{result.overtaken} pieces of work were overtaken by other commits; run it again"
        )
        raise typer.Exit(3)


def _print(result: CompactResult, *, dry_run: bool) -> None:
    if not result.done:
        console.out("nothing to do: there are no small files to join and no closed date to sort")
        return
    if dry_run:
        columns = ("table", "date", "what", "rows", "files", "bytes")
        rows = [
            (x.table, x.date, _WHY[x.why], x.rows, x.files_before, x.bytes_before)
            for x in result.done
        ]
        console.table(columns, rows)
        return
    console.table(
        ("table", "date", "what", "rows", "files", "now", "bytes", "now "),
        [
            (
                *(x.table, x.date, _WHY[x.why], x.rows, x.files_before, x.files_after),
                *(x.bytes_before, x.bytes_after),
            )
            for x in result.done
        ],
    )
    console.out(
        f"{result.rows:,} rows written anew: {result.bytes_before:,} bytes became "
        f"{result.bytes_after:,}; the old files stay until `ctanalytics lake vacuum`"
    )
