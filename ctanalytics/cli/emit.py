"""`ctanalytics emit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics.cli import console
from ctanalytics.cli.times import moment

if TYPE_CHECKING:
    from ctanalytics.app.emit import TargetResult


def emit(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="cloudwatch:NAMESPACE, sns:TOPIC_ARN, stdout or file:PATH; repeatable. "
            "Else `emit.targets` of the settings."
        ),
    ] = None,
    min_severity: Annotated[
        str | None,
        typer.Option(help="Least severe to send: info, low, medium, high, critical."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only anomalies detected from here on (UTC).")
    ] = None,
    include_backfill: Annotated[
        bool | None,
        typer.Option(
            "--include-backfill", help="Also send what ended long before it was detected."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent; send and record nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send anomalies to CloudWatch, SNS, standard output or a file, each to each target once.

    Example: ctanalytics emit --lake ./lake --to cloudwatch:CloudTrailAnalytics --min-severity high
    """
    import dataclasses

    from ctanalytics.app.emit import emit as run
    from ctanalytics.errors import UsageError

    settings = console.settings_from({"lake": lake})
    targets = to or settings.emit.targets
    if json and "stdout" in targets and not dry_run:
        raise UsageError(
            "both the alerts and the counts would go to standard output",
            where="--json",
            mend="send the alerts to file:PATH, or leave --json out",
        )
    result = run(
        console.lake_place(settings),
        targets,
        settings=settings,
        min_severity=min_severity,
        since=moment(since, "--since"),
        include_backfill=include_backfill,
        dry_run=dry_run,
    )
    if json:
        console.emit_json(dataclasses.asdict(result))
    else:
        for target in result.targets:
            _print(target)
    if not result.complete:
        raise typer.Exit(3)


def _print(result: TargetResult) -> None:
    """Counts go to stderr: standard output may be a target itself."""
    if result.preview is not None:
        console.out(f"{result.target}: {result.preview}")
        if result.alerts:
            names = ("severity", "state", "started_at", "title", "anomaly_id")
            console.table(names, [[alert[name] for name in names] for alert in result.alerts])
        return
    console.note(
        f"{result.target}: {result.sent} sent, {result.suppressed} suppressed, "
        f"{result.failed} failed, {result.already} settled before"
    )
    if result.reason:
        console.note(f"{result.target}: {result.reason}")
