"""Which anomalies belong together: what they share within time, and what hangs together by that."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ctanalytics.engines.duckdb import Engine
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
        ("group_id", pa.string()),
        ("incident_id", pa.string()),
    ]
)


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

    Args:
        anomalies: in the order of their starts.
        traits: anomaly_id, trait, value of all of them.
        incident_of: the incident that an anomaly is in already, by anomaly id.
        now: what still goes on counts as going on until then.
    """
    if not anomalies:
        return []
    rows = [
        {name: row.get(name) for name in _ANOMALIES.names}
        | {
            "number": number,
            "ended_at": row["ended_at"] or max(now, row["started_at"]),
            "group_id": group_id(row["evidence"]),
            "incident_id": incident_of.get(row["anomaly_id"]),
        }
        for number, row in enumerate(anomalies)
    ]
    engine.register("incident_anomalies", pa.Table.from_pylist(rows, _ANOMALIES))
    engine.register("incident_traits", traits.select(["anomaly_id", "trait", "value"]))
    links = engine.run(
        "incidents/links",
        near=dt.timedelta(minutes=settings.near_minutes),
        actor=dt.timedelta(minutes=settings.actor_minutes),
        accounts=settings.accounts,
    ).to_pylist()
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
