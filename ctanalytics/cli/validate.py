"""`ctanalytics validate`."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctanalytics.cli import console
from ctanalytics.cli.executor import ExecutorFlag, MasterFlag, flags
from ctanalytics.cli.times import moment

if TYPE_CHECKING:
    from ctanalytics.app.validate import ValidateResult
    from ctanalytics.integrity.verdict import Checked


def validate(
    source: Annotated[
        str, typer.Argument(help="s3://bucket/prefix, or a folder that is a copy of it.")
    ],
    trail_arn: Annotated[
        str | None, typer.Option(help="Validate this trail [default: all that are there].")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Delivered from here on (UTC) [default: 7 days ago; of a folder its oldest digest]."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="Delivered up to here (UTC) [default: now; of a folder its newest digest]."
        ),
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="Only this account; repeatable.")
    ] = None,
    source_region: Annotated[
        list[str] | None, typer.Option(help="Only log files of this region; repeatable.")
    ] = None,
    public_keys: Annotated[
        list[Path] | None,
        typer.Option(
            help="File with the reply of ListPublicKeys; repeatable. AWS is not asked then."
        ),
    ] = None,
    original_location: Annotated[
        str | None,
        typer.Option(help="s3://bucket/prefix that the source is a replica of."),
    ] = None,
    lake: Annotated[
        str | None, typer.Option(help="Keep the verdict of every file in this lake.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Keep in this file what was checked, and go on from it next time."),
    ] = None,
    save_keys: Annotated[
        Path | None,
        typer.Option(help="Write the public keys that AWS gave to this file, for a check offline."),
    ] = None,
    executor: ExecutorFlag = None,
    master: MasterFlag = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Name the valid files too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check that no log file was altered, deleted, added or moved: exit code 0 whole, 3 findings.

    Example: ctanalytics validate s3://audit-logs --trail-arn arn:aws:cloudtrail:eu-west-1:111122223333:trail/main
    """
    from ctanalytics.app.validate import validate as run

    settings = console.settings_from({"lake": lake, **flags(executor, master)})
    told: list[Checked] = []
    result = run(
        source,
        settings=settings,
        trail_arn=trail_arn,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        public_keys=public_keys or (),
        accounts=account or (),
        regions=source_region or (),
        original_location=original_location,
        lake=lake,
        resume=resume,
        save_keys=save_keys,
        report=_report(json, verbose, told),
    )
    if json:
        console.emit_json(_json(result, told if verbose else result.findings))
    else:
        _summary(result)
    for text in result.notes:
        console.note(text)
    if not result.whole:
        raise typer.Exit(3)


def _report(json: bool, verbose: bool, told: list[Checked]) -> Callable[[Checked], None]:
    from ctanalytics.integrity.verdict import line

    def report(row: Checked) -> None:
        if json:
            if verbose:
                told.append(row)
        elif row.kind == "log" and row.verdict == "uncovered" and not verbose:
            return  # the gap tells it, once for all of them
        elif row.is_finding:
            # As the AWS CLI has it: what is wrong goes to stderr.
            from ctanalytics import untrusted

            sys.stderr.write(untrusted.terminal(line(row)) + "\n")
        elif verbose:
            console.out(line(row))

    return report


def _summary(result: ValidateResult) -> None:
    from ctanalytics.integrity.verdict import utc_text

    begin = utc_text(result.since) if result.since else "the oldest digest"
    console.out(f"Results requested for {begin} to {utc_text(result.until)}")
    if not result.digests and not result.backfill_digests:
        console.out("No digests found")
    elif result.found_since is None:
        console.out("No valid digests found in range")
    else:
        console.out(
            f"Results found for {utc_text(result.found_since)} to {utc_text(result.found_until)}:"
        )
    for counts, name in (
        (result.digests, "digest"),
        (result.backfill_digests, "backfill digest"),
        (result.log_files, "log"),
    ):
        _ratio(counts, name)
    if result.gaps:
        length = sum(
            ((gap.until - gap.since) for gap in result.gaps if gap.since and gap.until),
            dt.timedelta(),
        )
        console.out(f"{len(result.gaps)} gaps without a digest that holds, {length} in all")
    if result.finding_count > len(result.findings):
        console.out(f"{result.finding_count} findings in all")


def _ratio(counts: dict[str, int], name: str) -> None:
    judged = {verdict: count for verdict, count in counts.items() if verdict != "pending"}
    total = sum(judged.values())
    if not total:
        return
    valid = judged.get("valid", 0)
    text = f"{valid}/{total} {name} files valid"
    if valid < total:
        worse = ", ".join(f"{count} {word}" for word, count in judged.items() if word != "valid")
        text += f", {total - valid}/{total} {name} files INVALID ({worse})"
    console.out(text)
    if counts.get("pending"):
        console.out(f"{counts['pending']} {name} files are younger than the newest digest")


def _json(result: ValidateResult, rows: list[Checked]) -> dict[str, Any]:
    from dataclasses import asdict

    found = {
        name: value for name, value in asdict(result).items() if name not in ("findings", "gaps")
    }
    return found | {
        "whole": result.whole,
        "finding_count": result.finding_count,
        "rows": [
            {name: value for name, value in asdict(row).items() if value not in (None, "")}
            for row in rows
        ],
    }
