"""List incidents, and show one with its anomalies, revisions and what targets were told."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ctanalytics.errors import UsageError
from ctanalytics.findings import SEVERITIES, severity_rank
from ctanalytics.lake.lake import Lake
from ctanalytics.records.incidents import INCIDENT_STATES
from ctanalytics.settings import Settings

Row = dict[str, Any]

_ID: Final = re.compile("[0-9a-f]{4,32}")


@dataclass(frozen=True, slots=True)
class ShownIncident:
    """One incident whole."""

    incident: Row
    """Columns of the view incidents; lanes as a list."""
    anomalies: list[Row]
    """Rows of the view incident_members; evidence as an object."""
    history: list[Row]
    """Its revisions, the oldest first."""
    told: list[Row]
    """What targets were told, as the outbox has it."""


def list_incidents(
    lake: str | Path | Lake,
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    severity: str | None = None,
    state: str | None = None,
) -> list[Row]:
    """Return incidents that touch a span, the gravest first, then the most unusual.

    Args:
        severity: the least severe to list.
        state: only those that are open, escalated or closed.

    Raises:
        UsageError: there is no such severity or state.
    """
    _check("--severity", severity, SEVERITIES)
    _check("--state", state, INCIDENT_STATES)
    least = severity_rank(severity or SEVERITIES[0])
    with _lake(lake, settings).engine() as engine:
        rows: list[Row] = engine.run("incidents/listed", since=since, until=until).to_pylist()
    rows = [
        row | {"lanes": json.loads(row["lanes"])}
        for row in rows
        if severity_rank(row["severity"]) >= least and state in (None, row["state"])
    ]
    return sorted(rows, key=ranked)


def ranked(row: Row) -> tuple[Any, ...]:
    """Order incidents: the gravest, of these the most unusual, then that with most tactics."""
    return (
        -severity_rank(row["severity"]),
        -row["score"],
        -len(row["tactics"] or ()),
        row["started_at"],
        row["incident_id"],
    )


def show_incident(
    incident_id: str, lake: str | Path | Lake, *, settings: Settings | None = None
) -> ShownIncident:
    """Return one incident with all that belongs to it.

    Args:
        incident_id: its id, or the beginning of it that no other has.

    Raises:
        UsageError: there is none of that id, or more than one begins with it.
    """
    if not _ID.fullmatch(incident_id.lower()):
        raise _unknown(incident_id, "is no id of an incident")
    with _lake(lake, settings).engine() as engine:
        found = engine.run("incidents/shown", id=incident_id.lower()).to_pylist()
        if len(found) != 1:
            raise _unknown(incident_id, "has more than one meaning" if found else "is not known")
        own = found[0]["incident_id"]
        members = engine.run("incidents/members_of", ids=[own]).to_pylist()
        history = engine.run("incidents/history", id=own).to_pylist()
        told = engine.run("incidents/told", id=own).to_pylist()
    return ShownIncident(
        found[0] | {"lanes": json.loads(found[0]["lanes"])},
        [row | {"evidence": json.loads(row["evidence"])} for row in members],
        history,
        told,
    )


def _lake(lake: str | Path | Lake, settings: Settings | None) -> Lake:
    return lake if isinstance(lake, Lake) else Lake.open(lake, (settings or Settings()).lake_aws)


def _check(where: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise UsageError(
            f"there is no {where.removeprefix('--')} {value!r}",
            where=where,
            mend=f"use one of {', '.join(known)}",
        )


def _unknown(incident_id: str, why: str) -> UsageError:
    return UsageError(
        f"the id {incident_id!r} {why}",
        where="incidents show",
        mend="`ctanalytics incidents list` shows the ids; their first characters are enough",
    )
