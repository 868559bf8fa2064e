"""`ctanalytics incidents list`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import typer

from ctanalytics.cli import completion, console
from ctanalytics.cli.times import moment

_ID = 12  # first characters of an id that a table shows; enough to name it


def list_incidents(
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="That touch this time or later (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="That began before this time (UTC).")] = None,
    severity: Annotated[
        str | None,
        typer.Option(
            help="The least severe to list: info, low, medium, high, critical.",
            autocompletion=completion.severities,
        ),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Only those that are open, escalated or closed.",
            autocompletion=completion.one_of("open", "escalated", "closed"),
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the incidents as JSON.")] = False,
) -> None:
    """List incidents, the gravest first.

    Example: ctanalytics incidents list --lake ./lake --since 2026-11-24 --severity high
    """
    from ctanalytics.app.incidents.listing import list_incidents as run

    settings = console.settings_from({"lake": lake})
    rows = run(
        console.lake_place(settings),
        settings=settings,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        severity=severity,
        state=state,
    )
    if json:
        console.emit_json(rows)
        return
    if rows:
        console.table(
            ("severity", "state", "when (UTC)", "anomalies", "accounts", "incident", "what"),
            [_line(row) for row in rows],
        )
    console.note(f"{len(rows):,} incident{'s' if len(rows) != 1 else ''}")


def _line(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        row["severity"],
        row["state"],
        when(row["started_at"], row["ended_at"]),
        len(row["anomaly_ids"]),
        ", ".join(row["account_names"][:2]) + (" ..." if len(row["account_names"]) > 2 else ""),
        row["incident_id"][:_ID],
        row["title"],
    )


def when(start: dt.datetime, end: dt.datetime | None) -> str:
    """Write a span, short."""
    if end is None:
        return f"since {start:%Y-%m-%d %H:%M}"
    same_day = start.date() == end.date()
    return f"{start:%Y-%m-%d %H:%M} - {end:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}}"
