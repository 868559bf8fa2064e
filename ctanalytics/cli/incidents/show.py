"""`ctanalytics incidents show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ctanalytics import untrusted
from ctanalytics.cli import console
from ctanalytics.cli.incidents.list import when

if TYPE_CHECKING:
    from ctanalytics.app.incidents.listing import ShownIncident


def show(
    incident_id: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    lake: Annotated[
        str | None, typer.Option(help="Where the lake is: a folder or s3://bucket/prefix.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Show an incident: its story, ATT&CK lanes, anomalies, and what to look at next.

    Example: ctanalytics incidents show e1f7bb2a0ed9 --lake ./lake
    """
    import dataclasses

    from ctanalytics.app.incidents.listing import show_incident

    settings = console.settings_from({"lake": lake})
    found = show_incident(incident_id, console.lake_place(settings), settings=settings)
    if json:
        console.emit_json(dataclasses.asdict(found))
        return
    _head(found)
    _lanes(found)
    console.table(
        ("severity", "detector", "when (UTC)", "account", "region", "anomaly", "what"),
        [
            (
                row["severity"],
                row["detector"],
                when(row["started_at"], row["ended_at"]),
                row["account_name"] or row["account_id"],
                row["aws_region"],
                row["anomaly_id"][:12],
                row["title"],
            )
            for row in found.anomalies
        ],
    )
    _next_steps(found.incident["next_steps"], lake)
    _told(found)


def _next_steps(steps: list[str], lake: str | None) -> None:
    """Advice, and commands to copy, which ask the lake that was asked here."""
    place = f" --lake {untrusted.shell_word(lake)}" if lake else ""
    console.out("Next:")
    for step in steps:
        console.out(f"  {step}{place if step.startswith('ctanalytics ') else ''}")


def _head(found: ShownIncident) -> None:
    row = found.incident
    because = f" ({row['closed_because']})" if row["closed_because"] else ""
    console.out(f"{row['severity'].upper()}  {row['title']}")
    console.out(
        f"{row['incident_id']}  {row['state']}{because}, revision {row['revision']}, "
        f"{when(row['started_at'], row['ended_at'])} UTC"
    )
    if row["superseded_by"]:
        console.out(f"Another took it over: {row['superseded_by']}")
    console.out("")
    console.out(row["story"])


def _lanes(found: ShownIncident) -> None:
    if not found.incident["lanes"]:
        return
    console.table(
        ("ATT&CK tactic", "techniques", "told by", "first (UTC)", "calls"),
        [
            (
                lane["tactic"],
                ", ".join(lane["techniques"]),
                ", ".join(lane["from"]),
                lane["first_seen"][:16].replace("T", " "),
                ", ".join(api.partition(":")[2] for api in lane["apis"][:6]),
            )
            for lane in found.incident["lanes"]
        ],
    )


def _told(found: ShownIncident) -> None:
    for row in found.told:
        reason = f": {row['reason']}" if row["reason"] else ""
        console.out(
            f"{row['handled_at']:%Y-%m-%d %H:%M} UTC  {row['target']}: {row['outcome']} "
            f"({row['state']}, revision {row['revision']}){reason}"
        )
