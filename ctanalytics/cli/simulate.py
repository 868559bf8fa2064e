"""`ctanalytics simulate`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from ctanalytics.cli import completion, console


def simulate(
    out: Annotated[
        Path, typer.Argument(help="Folder for the files; made when missing, else empty.")
    ],
    days: Annotated[int, typer.Option(help="How many days.")] = 35,
    accounts: Annotated[int, typer.Option(help="How many accounts.")] = 2,
    events_per_day: Annotated[
        int, typer.Option(help="Events a day of all accounts together, about.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 7,
    start: Annotated[
        str | None, typer.Option(help="First day, as 2025-10-01 [default: 2025-10-01].")
    ] = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of attack, or all or none; repeatable [default: all].",
            autocompletion=completion.incidents,
        ),
    ] = None,
    partition: Annotated[
        str,
        typer.Option(help="aws, aws-us-gov or aws-cn.", autocompletion=completion.partitions),
    ] = "aws",
    regions: Annotated[
        str | None,
        typer.Option(help="Open regions, by commas, home first [default: by partition]."),
    ] = None,
    organization_id: Annotated[
        str | None, typer.Option(help="Write keys as of an organization trail: o-a1b2c3d4e5.")
    ] = None,
    digests: Annotated[
        str,
        typer.Option(
            help="Signed digest files: all, none, or days at the end.",
            autocompletion=completion.one_of("all", "none"),
        ),
    ] = "all",
    file_minutes: Annotated[
        int, typer.Option(help="At most one log file in so many minutes for account and region.")
    ] = 5,
    config_history: Annotated[
        bool,
        typer.Option(
            "--config-history", help="Also write AWS Config's files of what calls change."
        ),
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0: one for each core.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Write a made-up organization's CloudTrail files, with labelled incidents and digests.

    Example: ctanalytics simulate ./logs --days 35 --events-per-day 5000 --incident stolen_key
    """
    import dataclasses

    from ctanalytics.app import simulate as app

    with console.progress("simulate", total=days + 1) as bar:
        result = app.simulate(
            out,
            days=days,
            accounts=accounts,
            events_per_day=events_per_day,
            seed=seed,
            start=_date(start) or app.START,
            incidents=incident or ("all",),
            partition=partition,
            regions=[region for region in (regions or "").split(",") if region],
            organization_id=organization_id,
            digests=digests,
            file_minutes=file_minutes,
            config_history=config_history,
            workers=workers,
            force=force,
            progress=lambda done: bar.update(done, f"{done:,} days"),
        )
    if json:
        console.emit_json(dataclasses.asdict(result))
        return
    rate = result.records / result.seconds if result.seconds else 0
    console.out(
        f"{result.records:,} records in {result.files:,} log files and {result.digests:,} digests, "
        f"{result.bytes:,} bytes, in {result.seconds:.1f} s ({rate:,.0f} records/s)"
    )
    if result.config_files:
        console.out(f"{result.config_files:,} files of AWS Config, labelled in config_labels.jsonl")
    console.out(
        f"{result.incidents:,} incidents and {result.episodes - result.incidents:,} "
        f"harmless episodes are labelled in {result.labels}"
    )


def _date(text: str | None) -> dt.date | None:
    from ctanalytics.errors import UsageError

    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(
            f"not a date: {text}", where="--start", mend="write it as 2025-10-01"
        ) from error
