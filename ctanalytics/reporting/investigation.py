"""An investigation as one page and as JSON: the same facts in two forms."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.reporting.document import Cell, Fact, Figure, Table
from ctanalytics.reporting.lanes import Lane, drawn
from ctanalytics.reporting.page import page

FORMAT: Final = "ctanalytics-investigation"
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Query:
    """SQL that gives what a part shows, to be copied."""

    about: str
    sql: str


@dataclass(frozen=True, slots=True)
class Part:
    """A titled part of an investigation."""

    name: str
    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    lanes: tuple[Lane, ...] = ()
    queries: tuple[Query, ...] = ()
    absent: str = ""
    """Why the part says nothing: what it reads is not there."""


@dataclass(frozen=True, slots=True)
class Investigation:
    """What is known of a subject in the span since <= t < until, UTC."""

    kind: str
    """key, principal, ip, event or resource."""
    value: str
    said: str
    """The subject in words."""
    since: dt.datetime
    until: dt.datetime
    generated_at: dt.datetime
    version: str
    lake: str
    headline: str
    facts: tuple[Fact, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    """What this investigation can't show, and why."""


def html(found: Investigation) -> str:
    """Render one self-contained page: no script, no network, everything from a log escaped."""
    return page(
        "investigation.html.j2",
        ("report.css", "investigation.css"),
        found=found,
        lanes=lambda part: drawn(part.lanes, found.since, found.until),
    )


def data(found: Investigation) -> dict[str, Any]:
    """Return the investigation as plain values for JSON; times as ISO 8601 with Z."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ctanalytics_version": found.version,
        "generated_at": _plain(found.generated_at),
        "subject": {"kind": found.kind, "value": found.value},
        "since": _plain(found.since),
        "until": _plain(found.until),
        "headline": found.headline,
        "facts": {fact.name: _plain(fact.value) for fact in found.facts},
        "parts": {part.name: _part(part) for part in found.parts},
        "notes": list(found.notes),
    }


def text(found: Investigation) -> str:
    """Render JSON in ASCII, so that no terminal acts on what a log says."""
    return json.dumps(data(found), indent=1) + "\n"


def _part(part: Part) -> dict[str, Any]:
    if part.absent:
        return {"title": part.title, "absent": part.absent}
    return {
        "title": part.title,
        "sentences": list(part.sentences),
        "tables": {table.name: _table(table) for table in part.tables},
        "figures": {
            figure.name: {
                "title": figure.title,
                "unit": figure.unit,
                "step_seconds": figure.step_seconds,
                "points": [[_plain(at), one, two] for at, one, two in figure.points],
            }
            for figure in part.figures
        },
        "lanes": {lane.tactic: [_row(mark.row) for mark in lane.marks] for lane in part.lanes},
        "sql": {query.about: query.sql for query in part.queries},
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "caption": table.caption,
        "found": table.found,
        "rows": [_row(row) for row in table.rows],
    }


def _row(row: Mapping[str, Cell]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Cell) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, dt.date) else value
