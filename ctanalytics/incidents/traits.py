"""What an anomaly's evidence events have in common: who, with which key, from where, which calls."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

from ctanalytics.engines.duckdb import Engine
from ctanalytics.records.incidents import ANOMALY_TRAITS
from ctanalytics.records.schema import TIMESTAMP

COMMON_DAYS: Final = 3
"""So many days before an anomaly tell whether many use its network anyway; a weekend fits in."""

_SECOND: Final = dt.timedelta(seconds=1)
_EVIDENCE: Final = pa.schema([("anomaly_id", pa.string()), ("event_id", pa.string())])
_NETWORKS: Final = pa.schema(
    [("anomaly_id", pa.string()), ("network", pa.string()), ("started_at", TIMESTAMP)]
)


class _Evidence(msgspec.Struct, frozen=True):
    event_ids: list[str] = []
    group_id: str | None = None


def _evidence(text: str) -> _Evidence:
    try:
        return msgspec.json.decode(text, type=_Evidence)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _Evidence()


def event_ids(evidence: str) -> list[str]:
    """Return the ids of the events that an anomaly's evidence lists; none when it can't be read."""
    return _evidence(evidence).event_ids


def group_id(evidence: str) -> str | None:
    """Return the id of the burst that a rate detector says an anomaly is part of."""
    return _evidence(evidence).group_id


def span(
    anomalies: Iterable[Mapping[str, Any]], now: dt.datetime
) -> tuple[dt.datetime, dt.datetime]:
    """Return from when to when anomalies reach; what goes on reaches up to now."""
    rows = list(anomalies)
    since = min(row["started_at"] for row in rows)
    until = max(row["ended_at"] or max(now, row["started_at"]) for row in rows)
    return since, until + _SECOND


def traits(
    engine: Engine, anomalies: Sequence[Mapping[str, Any]], *, now: dt.datetime, common: int
) -> pa.Table:
    """Read the traits of anomalies from their evidence events.

    Args:
        engine: a session over the events of the anomalies and of COMMON_DAYS before them.
        anomalies: rows with anomaly_id, revision, started_at, ended_at, evidence.
        common: a network that so many principals used in the days before links nothing.

    Returns:
        `records.incidents.ANOMALY_TRAITS`, at least one row for each anomaly.
    """
    if not anomalies:
        return ANOMALY_TRAITS.empty_table()
    listed = [list(dict.fromkeys(event_ids(row["evidence"]))) for row in anomalies]
    pairs = pa.table(
        [
            [row["anomaly_id"] for row, ids in zip(anomalies, listed, strict=True) for _ in ids],
            [event_id for ids in listed for event_id in ids],
        ],
        _EVIDENCE,
    )
    since, until = span(anomalies, now)
    engine.register("incident_evidence", pairs)
    found = engine.run("incidents/traits", since=since, until=until).to_pylist()
    busy = _common(engine, found, anomalies, common)
    revisions = {row["anomaly_id"]: row["revision"] for row in anomalies}
    for row in found:
        if row["trait"] == "network" and (row["anomaly_id"], row["value"]) in busy:
            row["trait"] = "common_network"
    # An anomaly whose events are not there, such as a silence, was looked at all the same.
    without = sorted(revisions.keys() - {row["anomaly_id"] for row in found})
    rows = found + [
        {"anomaly_id": anomaly_id, "trait": "read", "value": "", "calls": 0, "of_calls": 0}
        for anomaly_id in without
    ]
    for row in rows:
        row |= {"revision": revisions[row["anomaly_id"]], "read_at": now}
    return pa.Table.from_pylist(rows, ANOMALY_TRAITS)


def _common(
    engine: Engine,
    found: Sequence[Mapping[str, Any]],
    anomalies: Sequence[Mapping[str, Any]],
    common: int,
) -> set[tuple[str, str]]:
    """The anomalies' networks that many used before, such as an office's or a VPN's."""
    starts = {row["anomaly_id"]: row["started_at"] for row in anomalies}
    networks = [
        {
            "anomaly_id": row["anomaly_id"],
            "network": row["value"],
            "started_at": starts[row["anomaly_id"]],
        }
        for row in found
        if row["trait"] == "network"
    ]
    if not networks:
        return set()
    first = min(row["started_at"] for row in networks) - dt.timedelta(days=COMMON_DAYS)
    engine.register("incident_networks", pa.Table.from_pylist(networks, _NETWORKS))
    used = engine.run(
        "incidents/common_networks",
        since=first.replace(hour=0, minute=0, second=0, microsecond=0),
        until=max(row["started_at"] for row in networks) + _SECOND,
        days=COMMON_DAYS,
    )
    return {
        (row["anomaly_id"], row["network"])
        for row in used.to_pylist()
        if row["principals"] >= common
    }
