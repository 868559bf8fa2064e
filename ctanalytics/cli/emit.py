"""`ctanalytics emit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics.cli import completion, console
from ctanalytics.cli.times import moment

if TYPE_CHECKING:
    from ctanalytics.app.emit import EmitResult, TargetResult
    from ctanalytics.settings import Settings


def emit(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="cloudwatch:NAMESPACE, logs:GROUP, sns:TOPIC_ARN, eventbridge:BUS, securityhub:, "
            "webhook:URL, ocsf:PATH, stdout or file:PATH; repeatable. "
            "Else `emit.targets` of the settings."
        ),
    ] = None,
    min_severity: Annotated[
        str | None,
        typer.Option(
            help="Least severe to send: info, low, medium, high, critical "
            "[default: high for sns and webhook, else medium].",
            autocompletion=completion.severities,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only what was detected from here on (UTC).")
    ] = None,
    include_backfill: Annotated[
        bool | None,
        typer.Option(
            "--include-backfill", help="Also send what ended long before it was detected."
        ),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Also offer what was given up: dead letters.")
    ] = False,
    test: Annotated[
        list[str] | None,
        typer.Option(help="Send one message marked as a test to this target, and nothing else."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent; send and record nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send incidents and anomalies to where people and machines look, each to each target once.

    Example: ctanalytics emit --lake ./lake --to cloudwatch:CloudTrailAnalytics --min-severity high
    """
    from ctanalytics.app.emit import emit as run

    settings = console.settings_from({"lake": lake})
    if test:
        _tell(_test(test, settings, json=json), json=json)
        return
    targets = to or settings.emit.targets
    _check_json(targets, json=json and not dry_run)
    result = run(
        console.lake_place(settings),
        targets,
        settings=settings,
        min_severity=min_severity,
        since=moment(since, "--since"),
        include_backfill=include_backfill,
        retry=retry,
        dry_run=dry_run,
    )
    _tell(result, json=json)


def _test(targets: list[str], settings: Settings, *, json: bool) -> EmitResult:
    from ctanalytics.app.emit import send_test

    _check_json(targets, json=json)
    return send_test(targets, settings=settings)


def _check_json(targets: list[str], *, json: bool) -> None:
    from ctanalytics.errors import UsageError

    if json and "stdout" in targets:
        raise UsageError(
            "both the alerts and the counts would go to standard output",
            where="--json",
            mend="send the alerts to file:PATH, or leave --json out",
        )


def _tell(result: EmitResult, *, json: bool) -> None:
    import dataclasses

    if json:
        console.emit_json(dataclasses.asdict(result))
    else:
        for target in result.targets:
            print_target(target)
    if not result.complete:
        raise typer.Exit(3)


def print_target(result: TargetResult) -> None:
    """Counts go to stderr: standard output may be a target itself."""
    if result.preview is not None:
        console.out(f"{result.target}: {result.preview}")
        if result.alerts:
            names = ("severity", "state", "started_at", "title", "anomaly_id")
            console.table(names, [[alert[name] for name in names] for alert in result.alerts])
    else:
        summary = f" in {result.messages} messages" if result.messages < result.sent else ""
        held = f", {result.held} held until the quiet hours end" if result.held else ""
        console.note(
            f"{result.target}: {result.sent} sent{summary}, {result.suppressed} suppressed, "
            f"{result.failed} failed{held}, {result.already} settled before"
        )
    if result.backfill:
        console.note(
            f"{result.target}: {result.backfill} that ended long before they were detected, as in old "
            "logs, are not sent; --include-backfill sends them"
        )
    if result.dead:
        console.note(
            f"{result.target}: {result.dead} dead letters, refused too often; "
            "`ctanalytics emit --retry` offers them again"
        )
    if result.reason:
        console.note(f"{result.target}: {result.reason}")
