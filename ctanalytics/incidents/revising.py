"""Matches groups of anomalies with incidents that were published, so that one keeps its id.

An incident that grows is a new revision of itself. Where two turn out to be one, the older goes on
and takes the other's anomalies over. Running twice makes no new revision.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ctanalytics.engines.duckdb import Engine
from ctanalytics.findings import SEVERITIES, severity_rank
from ctanalytics.incidents.describing import BEFORE, Known, Row, described
from ctanalytics.incidents.linking import Group, groups
from ctanalytics.incidents.traits import span
from ctanalytics.records.incidents import ANOMALY_TRAITS, INCIDENTS
from ctanalytics.settings import Incidents

_MATTERS: Final = (
    "state",
    "closed_because",
    "superseded_by",
    "severity",
    "started_at",
    "ended_at",
    "anomaly_ids",
)
"""What makes a new revision; texts and evidence follow."""

_WANTED: Final = pa.schema([("anomaly_id", pa.string())])


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run adds to the table `incidents`."""

    rows: pa.Table
    """`records.incidents.INCIDENTS`: first and further revisions."""
    opened: int
    updated: int
    closed: int
    merged: int


def changes(
    engine: Engine,
    pending: Sequence[Row],
    traits: pa.Table,
    *,
    settings: Incidents,
    now: dt.datetime,
) -> Changes:
    """Return the revisions that take pending anomalies in, and close what is over.

    Args:
        engine: the lake.
        pending: rows of `incidents/pending`.
        traits: `records.incidents.ANOMALY_TRAITS` of the pending anomalies.
    """
    earliest = min([now, *(row["started_at"] for row in pending)])
    reach = BEFORE + dt.timedelta(days=settings.longest_days)
    standing = engine.run("incidents/standing", since=earliest - reach).to_pylist()
    held = {
        anomaly_id: row["incident_id"]
        for row in standing
        if row["superseded_by"] is None
        for anomaly_id in row["anomaly_ids"]
    }
    by_id = {row["incident_id"]: row for row in standing}
    wanted = _wanted(engine, pending, held, standing, settings, now)
    members = _members(engine, wanted)
    rows_of_traits = _traits(engine, wanted, traits)
    alive = [row for row in members if row["state"] != "withdrawn"]
    starts = _Starts(row for row in standing if row["superseded_by"] is None)
    known = Known(
        traits=_by_anomaly(rows_of_traits),
        people=_people(engine),
        now=now,
        closes_after=dt.timedelta(hours=settings.closes_after_hours),
        as_grave=starts.count,
    )
    found = groups(engine, alive, rows_of_traits, incident_of=held, settings=settings, now=now)
    book = _Book(by_id, _owned(found, alive, held), known, starts)
    rows = [row for group in found for row in book.group(group, alive)]
    here = {row["anomaly_id"] for row in alive}
    touched = {held[row["anomaly_id"]] for row in members if row["anomaly_id"] in held}
    for incident_id in sorted(touched):
        if here.isdisjoint(by_id[incident_id]["anomaly_ids"]):
            rows += book.withdrawn(by_id[incident_id])
    rows.sort(key=lambda row: (row["started_at"], row["incident_id"]))
    return _counted(rows)


def _owned(
    found: Sequence[Group], anomalies: Sequence[Row], held: Mapping[str, str]
) -> dict[str, str]:
    """The incidents of anomalies, where each is of one group: that with most of its anomalies."""
    counts: dict[str, Counter[int]] = {}
    for place, group in enumerate(found):
        for number in group.numbers:
            incident = held.get(anomalies[number]["anomaly_id"])
            if incident is not None:
                counts.setdefault(incident, Counter())[place] += 1
    owner = {
        incident: min((-count, place) for place, count in places.items())[1]
        for incident, places in counts.items()
    }
    return {
        anomaly_id: held[anomaly_id]
        for place, group in enumerate(found)
        for anomaly_id in (anomalies[number]["anomaly_id"] for number in group.numbers)
        if anomaly_id in held and owner[held[anomaly_id]] == place
    }


class _Starts:
    """When incidents began, by how grave they are at least."""

    def __init__(self, incidents: Iterable[Row]) -> None:
        self.by_rank: list[list[dt.datetime]] = [[] for _ in SEVERITIES]
        for row in incidents:
            self.add(row)

    def add(self, row: Row) -> None:
        for starts in self.by_rank[: severity_rank(row["severity"]) + 1]:
            insort(starts, row["started_at"])

    def count(self, severity: str, before: dt.datetime) -> int:
        """How many as grave began in the BEFORE days before a time."""
        starts = self.by_rank[severity_rank(severity)]
        return bisect_left(starts, before) - bisect_left(starts, before - BEFORE)


def _counted(rows: Sequence[Row]) -> Changes:
    opened = sum(row["revision"] == 1 for row in rows)
    merged = sum(row["closed_because"] == "merged" for row in rows)
    closed = sum(
        row["revision"] > 1 and row["state"] == "closed" and row["closed_because"] != "merged"
        for row in rows
    )
    table = pa.Table.from_pylist(
        [{name: row[name] for name in INCIDENTS.names} for row in rows], INCIDENTS
    )
    return Changes(table, opened, len(rows) - opened - merged - closed, closed, merged)


def _wanted(
    engine: Engine,
    pending: Sequence[Row],
    held: Mapping[str, str],
    standing: Sequence[Row],
    settings: Incidents,
    now: dt.datetime,
) -> set[str]:
    """Anomalies to look at: the new, what lies near them, all of incidents that may change."""
    wanted = {row["anomaly_id"] for row in pending}
    if pending:
        since, until = span(pending, now)
        reach = dt.timedelta(minutes=max(settings.actor_minutes, settings.near_minutes) + 1)
        near = engine.run("incidents/nearby", since=since - reach, until=until + reach)
        wanted |= set(near["anomaly_id"].to_pylist())
    touched = {held[anomaly_id] for anomaly_id in wanted if anomaly_id in held}
    for row in standing:
        if row["superseded_by"] is None and (
            row["incident_id"] in touched
            or row["state"] != "closed"
            or row["closed_because"] == "marked"  # a mark may have been taken back
            or (row["lost"] and row["closed_because"] != "withdrawn")
            or (row["marked_at"] is not None and row["marked_at"] > row["detected_at"])
        ):
            wanted |= set(row["anomaly_ids"])
    return wanted


def _members(engine: Engine, wanted: Iterable[str]) -> list[Row]:
    ids = pa.Table.from_pylist([{"anomaly_id": one} for one in sorted(wanted)], _WANTED)
    engine.register("incident_wanted", ids)
    return engine.run("incidents/members").to_pylist() if ids.num_rows else []


def _traits(engine: Engine, wanted: set[str], fresh: pa.Table) -> pa.Table:
    """What was read just now, and of the others what was read before."""
    new = set(fresh["anomaly_id"].to_pylist())
    ids = pa.Table.from_pylist([{"anomaly_id": one} for one in sorted(wanted - new)], _WANTED)
    names = [
        name for name in ANOMALY_TRAITS.names if name not in ("revision", "account_id", "read_at")
    ]
    if not ids.num_rows:
        return fresh.select(names)
    engine.register("incident_wanted", ids)
    kept = engine.run("incidents/traits_kept")
    return pa.concat_tables(
        [fresh.select(names), kept.select(names).cast(fresh.select(names).schema)]
    )


def _by_anomaly(traits: pa.Table) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in traits.to_pylist():
        found.setdefault(row["anomaly_id"], []).append(row)
    return found


def _people(engine: Engine) -> dict[str, str]:
    return {row["user_id"]: row["name"] for row in engine.run("incidents/people").to_pylist()}


@dataclass
class _Book:
    """The incidents that were published, by their ids."""

    by_id: dict[str, Row]
    held: Mapping[str, str]
    known: Known
    starts: _Starts

    def group(self, group: Group, anomalies: Sequence[Row]) -> list[Row]:
        """Return the revisions that a group makes of new and of published incidents."""
        members = [anomalies[number] for number in group.numbers]
        found = described(members, group.linked_by, self.known)
        ids = {self.held[one["anomaly_id"]] for one in members if one["anomaly_id"] in self.held}
        before = sorted((self.by_id[one] for one in ids), key=_age)
        if not before:
            return [self._new(found)]
        keeper, *others = before
        rows = [self._merged(other, keeper["incident_id"]) for other in others]
        revised = self._revised(found, keeper)
        return [*rows, *([revised] if revised else [])]

    def withdrawn(self, stored: Row) -> list[Row]:
        """Return the revision that closes an incident none of whose anomalies stands any more."""
        row = stored | {"state": "closed", "closed_because": "withdrawn"}
        row |= {"ended_at": row["ended_at"] or self.known.now}
        return [self._next(row)] if stored["closed_because"] != "withdrawn" else []

    def _new(self, found: Row) -> Row:
        row = found | {
            "incident_id": self._free_id(found["anomaly_ids"][0]),
            "revision": 1,
            "superseded_by": None,
            "first_severity": found["severity"],
            "escalated_at": None,
            "opened_at": self.known.now,
            "detected_at": self.known.now,
        }
        self.by_id[row["incident_id"]] = row
        self.starts.add(row)
        return row

    def _free_id(self, first: str) -> str:
        number = 1
        while (identity := incident_id(first, number)) in self.by_id:
            number += 1
        return identity

    def _revised(self, found: Row, stored: Row) -> Row | None:
        rose = severity_rank(found["severity"]) > severity_rank(stored["severity"])
        row = stored | found | {"superseded_by": None}
        if rose:
            row["escalated_at"] = self.known.now
        graver = severity_rank(row["severity"]) > severity_rank(row["first_severity"])
        if row["state"] == "open" and graver:
            row["state"] = "escalated"
        if all(row[name] == stored[name] for name in _MATTERS):
            return None
        return self._next(row)

    def _merged(self, stored: Row, keeper: str) -> Row:
        ended = stored["ended_at"] or self.known.now
        return self._next(
            stored
            | {"state": "closed", "closed_because": "merged", "superseded_by": keeper}
            | {"ended_at": ended}
        )

    def _next(self, row: Row) -> Row:
        return row | {"revision": row["revision"] + 1, "detected_at": self.known.now}


def _age(row: Row) -> tuple[dt.datetime, dt.datetime, str]:
    return row["opened_at"], row["started_at"], row["incident_id"]


def incident_id(first_anomaly: str, number: int = 1) -> str:
    """Return the id that stays with an incident: 32 hex digits, of the anomaly it began with.

    Args:
        number: more than 1 where an earlier incident began with the same anomaly.
    """
    text = "\x1f".join(("incident", first_anomaly, *([str(number)] if number > 1 else [])))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
