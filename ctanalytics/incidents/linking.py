"""Which anomalies belong together: what they share within time, and what hangs together by that."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ctanalytics.engines.duckdb import Engine
from ctanalytics.findings import severity_rank
from ctanalytics.incidents.traits import group_id
from ctanalytics.records.schema import TIMESTAMP
from ctanalytics.settings import Incidents

_ANOMALIES: Final = pa.schema(
    [
        ("number", pa.int64()),
        ("anomaly_id", pa.string()),
        ("started_at", TIMESTAMP),
        ("ended_at", TIMESTAMP),
        ("account_id", pa.string()),
        ("event_source", pa.string()),
        ("event_name", pa.string()),
        ("error_code", pa.string()),
        ("kind", pa.string()),
        ("severity", pa.string()),
        ("is_far_reaching", pa.bool_()),
        ("group_id", pa.string()),
        ("incident_id", pa.string()),
    ]
)


_FAR_REACHING: Final = severity_rank("medium")
"""From this severity on an anomaly links by all that it shares, over accounts too."""


_SHORT: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Group:
    """Anomalies that belong together."""

    numbers: tuple[int, ...]
    """Their places in what was linked."""
    linked_by: tuple[str, ...]
    """What they share; empty for an anomaly that is alone."""


def groups(
    engine: Engine,
    anomalies: Sequence[Mapping[str, Any]],
    traits: pa.Table,
    *,
    incident_of: Mapping[str, str],
    settings: Incidents,
    now: dt.datetime,
) -> list[Group]:
    """Group anomalies by what they share within time; each is in one group.

    Those of medium severity and above hang together by all that they share. Lesser ones join them
    by who did it alone: a hundred deployments of one pipeline are no bridge from one account's
    incident to all others. What is left of them hangs together among itself.

    Args:
        anomalies: in the order of their starts.
        traits: anomaly_id, trait, value of all of them.
        incident_of: the incident that an anomaly is in already, by anomaly id.
        now: what still goes on counts as going on until then.
    """
    if not anomalies:
        return []
    rows = [_row(number, row, incident_of, now) for number, row in enumerate(anomalies)]
    engine.register("incident_traits", traits.select(["anomaly_id", "trait", "value"]))
    grave = [severity_rank(row["severity"]) >= _FAR_REACHING for row in anomalies]
    held = {row["incident_id"] for row in rows if grave[row["number"]]}
    # Of incidents without a grave anomaly nobody was told: their anomalies may go with another.
    first = [
        row
        | {
            "is_far_reaching": grave[row["number"]] and _is_short(row),
            "incident_id": row["incident_id"] if row["incident_id"] in held else None,
        }
        for row in rows
    ]
    links = _links(engine, first, settings)
    found = components(len(rows), ((row["number"], row["leader"]) for row in links))
    free = {number for one in found if not any(grave[each] for each in one) for number in one}
    more = [row | {"is_far_reaching": _is_short(row)} for row in rows if row["number"] in free]
    links = [row for row in links if row["number"] not in free] + _links(engine, more, settings)
    found = components(len(rows), ((row["number"], row["leader"]) for row in links))
    longest = dt.timedelta(days=settings.longest_days)
    pieces = [piece for one in found for piece in _cut(one, rows, longest)]
    place = {number: at for at, piece in enumerate(pieces) for number in piece}
    shared: defaultdict[int, set[str]] = defaultdict(set)
    for row in links:
        if row["number"] != row["leader"] and place[row["number"]] == place[row["leader"]]:
            shared[place[row["number"]]].add(row["link"])
    return [
        Group(tuple(piece), tuple(sorted(shared[at] - {"incident"})))
        for at, piece in enumerate(pieces)
    ]


def _is_short(row: Mapping[str, Any]) -> bool:
    """Whether being near an anomaly in time says something: a week is near to everything."""
    return bool(row["ended_at"] - row["started_at"] <= _SHORT)


def _row(
    number: int, row: Mapping[str, Any], incident_of: Mapping[str, str], now: dt.datetime
) -> dict[str, Any]:
    return {name: row.get(name) for name in _ANOMALIES.names} | {
        "number": number,
        "ended_at": row["ended_at"] or max(now, row["started_at"]),
        "group_id": group_id(row["evidence"]),
        "incident_id": incident_of.get(row["anomaly_id"]),
    }


def _links(
    engine: Engine, rows: Sequence[Mapping[str, Any]], settings: Incidents
) -> list[dict[str, Any]]:
    """What some anomalies share: link, key, number, leader."""
    if not rows:
        return []
    engine.register("incident_anomalies", pa.Table.from_pylist(list(rows), _ANOMALIES))
    found: list[dict[str, Any]] = engine.run(
        "incidents/links",
        near=dt.timedelta(minutes=settings.near_minutes),
        actor=dt.timedelta(minutes=settings.actor_minutes),
        accounts=settings.accounts,
    ).to_pylist()
    return found


def components(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the connected components of 0..count-1, each sorted, in the order of their firsts.

    Union-find: the work grows with the number of links, not with that of pairs.
    """
    parent = list(range(count))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for one, other in links:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    found: defaultdict[int, list[int]] = defaultdict(list)
    for number in range(count):
        found[root(number)].append(number)
    return list(found.values())


def _cut(
    component: Sequence[int], rows: Sequence[Mapping[str, Any]], longest: dt.timedelta
) -> list[list[int]]:
    """Cut what goes on for too long, or noise that never pauses would be one incident for ever.

    A piece takes in what begins within `longest` of its start; anomalies that are one incident
    already stay together.
    """
    blocks: dict[str, list[int]] = {}
    for number in component:  # in the order of their starts
        blocks.setdefault(rows[number]["incident_id"] or f"#{number}", []).append(number)
    pieces: list[list[int]] = []
    for block in blocks.values():
        start = rows[block[0]]["started_at"]
        if pieces and start - rows[pieces[-1][0]]["started_at"] < longest:
            pieces[-1] += block
        else:
            pieces.append(list(block))
    return [sorted(piece) for piece in pieces]
