"""`ctanalytics detect`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ctanalytics.cli import completion, console
from ctanalytics.cli.executor import ExecutorFlag, MasterFlag, flags
from ctanalytics.cli.times import moment

_ID = 12  # first characters of an id that a table shows; enough to name it


def detect(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Judge from here on (UTC) [default: 14 days before the end]."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Judge up to here (UTC) [default: where the logs end].")
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="call_rate, error_rate, isolation_forest, novelty, silence or sigma; repeatable; "
            "else all but sigma.",
            autocompletion=completion.detectors,
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="False pages per week that the whole lake may cause.")
    ] = None,
    executor: ExecutorFlag = None,
    master: MasterFlag = None,
    json: Annotated[bool, typer.Option("--json", help="Print the anomalies as JSON.")] = False,
) -> None:
    """Find what is not normal, and store it in the lake; running twice adds nothing.

    Example: ctanalytics detect --lake ./lake --since 2026-11-01 --detector call_rate
    """
    from ctanalytics.app.detect import detect as run

    settings = console.settings_from(
        {"lake": lake, "detect.budget": budget, **flags(executor, master)}
    )
    result = run(
        console.lake_place(settings),
        settings=settings,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        detectors=detector or (),
    )
    rows = result.anomalies.to_pylist()
    if json:
        console.emit_json([_nested(row) for row in rows])
    elif rows:
        _print(rows)
        console.note("`ctanalytics explain ANOMALY` shows the events behind one, and why it is one")
    for note in result.notes:
        console.note(note)
    console.note(
        f"{len(rows)} {'anomaly' if len(rows) == 1 else 'anomalies'} from {result.since:%Y-%m-%d %H:%M} to {result.until:%Y-%m-%d %H:%M} "
        f"UTC: {result.new} new, {result.updated} updated, {result.withdrawn} withdrawn; "
        f"{result.seconds:.1f} s"
    )


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    import json as json_module

    insight = row["insight"]
    return row | {
        "evidence": json_module.loads(row["evidence"]),
        "insight": None if insight is None else json_module.loads(insight),
    }


def _print(rows: list[dict[str, Any]]) -> None:
    console.table(
        ("severity", "when (UTC)", "detector", "account", "region", "anomaly", "title"),
        [
            (
                row["severity"],
                _when(row),
                row["detector"],
                row["account_id"],
                row["aws_region"],
                row["anomaly_id"][:_ID],
                row["title"],
            )
            for row in rows
        ],
    )
    for row in rows:
        console.out(f"{row['severity'].upper():8} {row['anomaly_id'][:_ID]}  {row['explanation']}")


def _when(row: dict[str, Any]) -> str:
    start, end = row["started_at"], row["ended_at"]
    if end is None:
        return f"since {start:%Y-%m-%d %H:%M}"
    same_day = start.date() == end.date()
    return f"{start:%Y-%m-%d %H:%M} - {end:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}}"
