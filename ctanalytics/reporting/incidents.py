"""The report's incidents: what anomalies that belong together come to, told once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.findings import severity_rank
from ctanalytics.reporting.document import Entry, Incident, Member
from ctanalytics.reporting.retold import Told
from ctanalytics.reporting.story import story
from ctanalytics.reporting.voice import Voice

MAX_INCIDENTS: Final = 50


def ranked(engine: Engine, *, since: dt.datetime, until: dt.datetime) -> list[dict[str, Any]]:
    """Return the incidents that touch a span, the gravest first; withdrawn ones are left out."""
    rows = engine.run("incidents/listed", since=since, until=until).to_pylist()
    kept = [row for row in rows if row["closed_because"] != "withdrawn"]
    return sorted(
        kept,
        key=lambda row: (
            -severity_rank(row["severity"]),
            -row["score"],
            row["started_at"],
            row["incident_id"],
        ),
    )


def incidents(
    engine: Engine,
    rows: Iterable[Mapping[str, Any]],
    entries: Iterable[Entry],
    texts: Mapping[str, Told],
    voice: Voice,
) -> tuple[Incident, ...]:
    """Tell incidents, each with its anomalies.

    Args:
        rows: of `ranked`.
        entries: the anomalies that the report tells, so that an incident can point to them.
        texts: what the anomalies of the span are called, by id.
    """
    shown = list(rows)[:MAX_INCIDENTS]
    places = {entry.anomaly_id: place for place, entry in enumerate(entries, start=1)}
    wanted = [row["incident_id"] for row in shown]
    members: dict[str, list[Member]] = {}
    for row in engine.run("incidents/members_of", ids=wanted).to_pylist():
        known = texts.get(row["anomaly_id"])
        members.setdefault(row["incident_id"], []).append(
            Member(
                anomaly_id=row["anomaly_id"],
                title=known.title if known else row["title"],
                detector=row["detector"],
                severity=row["severity"],
                started_at=row["started_at"],
                place=places.get(row["anomaly_id"]),
            )
        )
    return tuple(
        _incident(row, tuple(members.get(row["incident_id"], ())), texts, voice) for row in shown
    )


def _incident(
    row: Mapping[str, Any],
    members: tuple[Member, ...],
    texts: Mapping[str, Told],
    voice: Voice,
) -> Incident:
    title, lines, original = story(voice, row, texts)
    return Incident(
        incident_id=row["incident_id"],
        severity=row["severity"],
        state=row["state"],
        closed_because=row["closed_because"],
        revision=row["revision"],
        title=title,
        story=lines,
        original=original,
        next_steps=tuple(voice.word(step) for step in row["next_steps"] or ()),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        accounts=_named(row["account_ids"], row["account_names"]),
        principals=tuple(row["principal_arns"] or ()),
        people=tuple(row["people"] or ()),
        tactics=tuple(row["tactics"] or ()),
        techniques=tuple(row["techniques"] or ()),
        events=row["events"],
        members=members,
    )


def _named(ids: list[str] | None, names: list[str] | None) -> tuple[str, ...]:
    """Accounts as people know them: the name where there is one, with the id."""
    pairs = zip(ids or (), names or ids or (), strict=False)
    return tuple(each if name == each else f"{name} ({each})" for each, name in pairs)
