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

_SILENT: Final = frozenset(("silence", "telemetry_gap"))
"""Kinds whose evidence is what others did before: of these only whom the detector names counts."""

_STOPPED: Final = frozenset(("stop", "drop"))
"""Kinds whose evidence is what was normal before: it tells who stopped, and of nothing done."""

_DEEDS: Final = frozenset(("sensitive", "denied", "write"))
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
        anomalies: rows with anomaly_id, revision, kind, account_id, principal_arn, started_at,
            ended_at, evidence.
        common: a network that so many principals used in the days before links nothing.

    Returns:
        `records.incidents.ANOMALY_TRAITS`, at least one row for each anomaly.
    """
    if not anomalies:
        return ANOMALY_TRAITS.empty_table()
    found = _found(engine, anomalies, now)
    busy = _common(engine, found, anomalies, common)
    by_id = {row["anomaly_id"]: row for row in anomalies}
    rows = []
    for row in found:
        if row["trait"] == "network" and (row["anomaly_id"], row["value"]) in busy:
            row["trait"] = "common_network"
        if by_id[row["anomaly_id"]]["kind"] not in _STOPPED or row["trait"] not in _DEEDS:
            rows.append(row)
    # An anomaly whose events are not there was looked at all the same.
    for anomaly_id in sorted(by_id.keys() - {row["anomaly_id"] for row in found}):
        rows += _by_name(by_id[anomaly_id])
    for row in rows:
        anomaly = by_id[row["anomaly_id"]]
        row |= {name: anomaly[name] for name in ("revision", "account_id")} | {"read_at": now}
    return pa.Table.from_pylist(rows, ANOMALY_TRAITS)


def _found(
    engine: Engine, anomalies: Sequence[Mapping[str, Any]], now: dt.datetime
) -> list[dict[str, Any]]:
    """What the evidence events share, by anomaly and trait."""
    listed = [
        [] if row["kind"] in _SILENT else list(dict.fromkeys(event_ids(row["evidence"])))
        for row in anomalies
    ]
    pairs = pa.table(
        [
            [row["anomaly_id"] for row, ids in zip(anomalies, listed, strict=True) for _ in ids],
            [event_id for ids in listed for event_id in ids],
        ],
        _EVIDENCE,
    )
    since, until = span(anomalies, now)
    if any(row["kind"] in _STOPPED for row in anomalies):
        since -= dt.timedelta(days=COMMON_DAYS)  # what stopped has its events before its start
    engine.register("incident_evidence", pairs)
    found: list[dict[str, Any]] = engine.run(
        "incidents/traits", since=since, until=until
    ).to_pylist()
    return found


def _by_name(anomaly: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an anomaly without events of its own shares: whom its detector names."""
    named = {"read": "", "principal": anomaly["principal_arn"]}
    return [
        {
            "anomaly_id": anomaly["anomaly_id"],
            "trait": trait,
            "value": value,
            "calls": 0,
            "of_calls": 0,
        }
        for trait, value in named.items()
        if value is not None
    ]


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
