"""`ctanalytics ingest`."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import console, ingest_progress
from ctanalytics.cli.executor import ExecutorFlag, MasterFlag, flags
from ctanalytics.cli.times import duration, moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctanalytics.app.ingest import IngestResult
    from ctanalytics.app.ingest_estimate import Estimate
    from ctanalytics.settings import Settings
    from ctanalytics.sources.base import Selection


def ingest(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folder, file, archive, quoted pattern, s3://bucket[/prefix] or lookup-events; "
            "else `sources` of the settings."
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
    config_items: Annotated[
        bool | None,
        typer.Option(
            "--config-items",
            help="Under AWSLogs/ in S3, take AWS Config's files too; of folders they are taken anyway.",
        ),
    ] = None,
    queue: Annotated[
        str | None, typer.Option(help="URL of an SQS queue that announces the sources' objects.")
    ] = None,
    inventory: Annotated[
        str | None,
        typer.Option(
            help="Take the objects from an S3 Inventory report instead of listing: its manifest.json, "
            "or the folder of reports for the newest."
        ),
    ] = None,
    objects: Annotated[
        str | None,
        typer.Option(
            help="Take the objects from a file: a key or s3:// address a line, or CSV, JSON lines "
            "or Parquet with a column `key`."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep going: take what comes until stopped.")
    ] = False,
    every: Annotated[
        str | None,
        typer.Option(help="With --follow and no queue: time between listings [default: 5m]."),
    ] = None,
    restore: Annotated[
        int | None,
        typer.Option(help="Only ask S3 to restore archived objects, for so many days.", min=1),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Don't ask: more than 1 M objects, or a restore, is meant."),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes [default: one for each core].")
    ] = None,
    executor: ExecutorFlag = None,
    master: MasterFlag = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Take again what was set aside before.")
    ] = False,
    reingest: Annotated[
        bool,
        typer.Option(
            "--reingest",
            help="Read again all that is chosen, by today's settings: new rows replace the old.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List, count and estimate; write nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Bring CloudTrail log files into the lake, each event exactly once.

    Example: ctanalytics ingest s3://central-trail-logs --lake ./lake --since 2026-11-01

    Example: ctanalytics ingest --inventory s3://inventory/central-trail-logs/daily/ --lake ./lake
    """
    from ctanalytics.app.ingest import chosen
    from ctanalytics.app.ingest import ingest as run
    from ctanalytics.errors import UsageError

    settings = console.settings_from(
        {
            "lake": lake,
            "ingest.workers": workers,
            "ingest.queue": queue,
            "ingest.config_items": config_items,
            "ingest.follow_seconds": duration(every, "--every"),
            **flags(executor, master),
        }
    )
    sources = source or settings.sources
    if not sources and not inventory:
        raise UsageError(
            "no source is named",
            where="SOURCE",
            mend="name a folder, a file, s3://bucket/prefix or lookup-events; or list them under "
            "`sources` in ctanalytics.toml",
        )
    span = {"since": moment(since, "--since"), "until": moment(until, "--until")}
    narrowed: dict[str, Any] = {**span, "accounts": account or (), "regions": region or ()}
    for flag, given in (("--inventory", inventory), ("--objects", objects)):
        if given:
            _exclusive(flag, follow=follow, restore=restore is not None)
    if restore is not None:
        _exclusive("--restore", follow=follow, dry_run=dry_run, retry=retry, reingest=reingest)
        _restore(sources, settings, restore, chosen(settings, **narrowed), yes=yes, json=json)
        return
    if follow:
        _exclusive("--follow", dry_run=dry_run, retry=retry, reingest=reingest)
        _follow(sources, settings, chosen(settings, **narrowed), yes=yes, json=json)
        return
    with ingest_progress.shown() as progress:
        result = run(
            sources,
            console.lake_place(settings),
            settings=settings,
            queue=queue,
            inventory=inventory or "",
            objects=objects or "",
            retry=retry,
            reingest=reingest,
            dry_run=dry_run,
            progress=progress,
            agree=None if yes else _agree,
            **narrowed,
        )
    if json:
        console.emit_json(dataclasses.asdict(result))
    else:
        _print(result)
    for text in result.notes:
        console.note(text)
    if not result.complete:
        raise typer.Exit(3)


def _exclusive(flag: str, **others: bool) -> None:
    from ctanalytics.errors import UsageError

    for name, given in others.items():
        if given:
            other = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} and {other} do not go together", mend="give one of them")


def _follow(
    sources: list[str], settings: Settings, selection: Selection, *, yes: bool, json: bool
) -> None:
    """Take pass after pass until a signal comes; the plan under way is finished by the next run."""
    from ctanalytics.app.ingest_follow import Setback, follow

    passes = follow(
        sources,
        console.lake_place(settings),
        settings=settings,
        selection=selection,
        queue=settings.ingest.queue,
        # Lines, no bar: it would stand on the screen for days, between the results.
        progress=ingest_progress.Shown(console.Silent()),
        agree=None if yes else _agree,
    )
    try:
        with closing(passes):
            for found in passes:
                if isinstance(found, Setback):
                    console.fail(found.error)
                    console.note(f"the next try is in {found.retry_in_seconds:.0f} s")
                else:
                    _tell_pass(found, json=json)
    except KeyboardInterrupt:
        console.note("stopped; what was begun is finished by the next run")


def _tell_pass(result: IngestResult, *, json: bool) -> None:
    if json:
        console.emit_json_line(dataclasses.asdict(result))
    else:
        _print_pass(result)
    for text in result.notes:
        console.note(text)


def _restore(
    sources: list[str],
    settings: Settings,
    days: int,
    selection: Selection,
    *,
    yes: bool,
    json: bool,
) -> None:
    from ctanalytics.app.ingest_restore import restore

    result = restore(
        sources,
        console.lake_place(settings),
        days=days,
        settings=settings,
        selection=selection,
        agree=_always if yes else _agree,
    )
    if json:
        console.emit_json(dataclasses.asdict(result))
    else:
        console.out(
            f"{result.objects_asked:,} archived objects ({result.bytes_asked:,} bytes) are asked "
            f"for, of {result.objects_listed:,} listed ({result.objects_waiting:,} were asked for "
            f"before, {result.objects_restored:,} can be read, {result.objects_refused:,} refused); "
            f"about {_dollars(result.dollars)}"
        )
    for text in result.notes:
        console.note(text)
    if result.objects_asked:
        console.note("restores take hours (Bulk up to 48); the next ingest takes what has come")
    if not result.complete:
        raise typer.Exit(3)


def _always(_: Estimate) -> bool:
    return True


def _agree(estimate: Estimate) -> bool:
    """Ask a person; where there is none, it was not agreed to."""
    if not console.is_interactive():
        return False
    more = "" if estimate.complete else "more than "
    return console.confirmed(
        f"{more}{estimate.objects:,} objects of {estimate.bytes_total:,} bytes: {more}"
        f"{_dollars(estimate.dollars)} (prices: {estimate.prices}). Go on?"
    )


def _dollars(amount: float) -> str:
    return f"{amount:,.2f} dollars" if amount >= 0.01 or not amount else "less than a cent"


def _print(result: IngestResult) -> None:
    if result.estimate:
        _print_estimate(result, result.estimate)
        return
    rate = result.records_read / result.seconds if result.seconds else 0
    if result.messages_received:
        console.out(
            f"{result.messages_received:,} messages ({result.messages_ignored:,} ignored, "
            f"{result.messages_parked:,} parked, {result.messages_kept:,} to be tried again)"
        )
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
                (_place(row), row["record"], row["reason"], row["detail"])
                for row in result.set_aside
            ],
            title="set aside",
        )


def _place(row: Mapping[str, Any]) -> str:
    """Where an object lies, as one would name it to open it."""
    bucket, key = row["bucket"], row["key"]
    if bucket in (None, "file"):
        return str(key)
    return f"{bucket}/{key}" if bucket in ("sqs", "lookup-events") else f"s3://{bucket}/{key}"


def _print_estimate(result: IngestResult, estimate: Estimate) -> None:
    console.out(
        f"{result.objects_listed:,} objects listed, {result.objects_skipped:,} known; "
        f"{estimate.objects:,} to read, {estimate.bytes_total:,} bytes"
    )
    console.out(
        f"{estimate.list_requests:,} LIST requests made, {estimate.get_requests:,} GET and up to "
        f"{estimate.kms_requests:,} KMS requests to make: {_dollars(estimate.dollars)} at most "
        f"(prices: {estimate.prices}; transfer within the region is free)"
    )
    console.out(f"about {ingest_progress.span(estimate.seconds)} of reading")


def _print_pass(result: IngestResult) -> None:
    messages = f"{result.messages_received:,} messages, " if result.messages_received else ""
    console.out(
        f"{messages}{result.objects_listed:,} objects listed, {result.objects_ingested:,} ingested; "
        f"{result.records_written:,} events written, {result.records_duplicate:,} duplicate, "
        f"{result.records_quarantined:,} quarantined; {result.seconds:.1f} s"
    )
