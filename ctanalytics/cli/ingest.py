"""`ctanalytics ingest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics.cli import console
from ctanalytics.cli.times import moment

if TYPE_CHECKING:
    from ctanalytics.app.ingest import IngestResult, Progress


def ingest(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folder, file or s3://bucket[/prefix]; else `sources` of the settings."
        ),
    ] = None,
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Objects that can hold events from here on (UTC).")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Objects that can hold events before here (UTC).")
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="Only this account; repeatable.")
    ] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only this region; repeatable.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes [default: one for each core].")
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Take again what was set aside before.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List and count; write nothing.")
    ] = False,
    requester_pays: Annotated[
        bool, typer.Option("--requester-pays", help="Pay for reading a bucket of requester pays.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Bring CloudTrail log files into the lake, each event exactly once.

    Example: ctanalytics ingest s3://central-trail-logs --lake ./lake --since 2026-11-01
    """
    import dataclasses

    from ctanalytics.app.ingest import ingest as run
    from ctanalytics.errors import UsageError

    flags = {
        "lake": lake,
        "ingest.workers": workers,
        "source_aws.requester_pays": requester_pays or None,
    }
    settings = console.settings_from(flags)
    sources = source or settings.sources
    if not sources:
        raise UsageError(
            "no source is named", where="SOURCE", mend="name a folder, a file or s3://bucket/prefix"
        )
    with console.progress("ingest") as bar:

        def show(at: Progress) -> None:
            bar.update(at.objects, f"{at.objects:,} objects  {at.records:,} records")

        result = run(
            sources,
            console.lake_place(settings),
            settings=settings,
            since=moment(since, "--since"),
            until=moment(until, "--until"),
            accounts=account or (),
            regions=region or (),
            retry=retry,
            dry_run=dry_run,
            progress=show,
        )
    if json:
        console.emit_json(dataclasses.asdict(result))
    else:
        _print(result, dry_run=dry_run)
    for text in result.notes:
        console.note(text)
    if not result.complete:
        raise typer.Exit(3)


def _print(result: IngestResult, *, dry_run: bool) -> None:
    if dry_run:
        console.out(
            f"{result.objects_listed:,} objects listed, {result.objects_skipped:,} known; "
            f"{result.objects_listed - result.objects_skipped:,} to read, {result.bytes_read:,} bytes; "
            f"{result.list_requests:,} LIST requests"
        )
        return
    rate = result.records_read / result.seconds if result.seconds else 0
    console.out(
        f"{result.objects_ingested:,} objects ingested of {result.objects_listed:,} listed "
        f"({result.objects_skipped:,} skipped, {result.objects_quarantined:,} quarantined, "
        f"{result.objects_deferred:,} deferred, {result.objects_archived:,} archived)"
    )
    console.out(
        f"{result.records_read:,} records read = {result.records_written:,} written "
        f"+ {result.records_duplicate:,} duplicate + {result.records_filtered:,} filtered "
        f"+ {result.records_quarantined:,} quarantined, in {result.seconds:.1f} s ({rate:,.0f}/s)"
    )
    if result.set_aside:
        console.table(
            ("object", "record", "reason", "detail"),
            [
                (f"{row['bucket']}/{row['key']}", row["record"], row["reason"], row["detail"])
                for row in result.set_aside
            ],
            title="set aside",
        )
