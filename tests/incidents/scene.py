"""Anomalies with events behind them, and lakes that hold both."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ctanalytics.app.incidents.build import IncidentsResult, build_incidents
from ctanalytics.findings import ANOMALIES, anomaly_id
from ctanalytics.lake.lake import Lake
from ctanalytics.records import schema
from ctanalytics.settings import Settings
from tests import builders, lakes

T0 = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
NIGHT = dt.datetime(2026, 3, 5, 1, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
ACCOUNT = "111122223333"


def role(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def events(
    count: int = 2,
    *,
    at: float = 0.0,
    arn: str = role("ci"),
    account: str = ACCOUNT,
    **columns: Any,
) -> list[dict[str, Any]]:
    """Calls of a role, a minute apart, from `at` minutes after T0 on."""
    base = {
        "account_id": account,
        "principal_arn": arn,
        "principal_type": "role",
        "identity_type": "AssumedRole",
        "identity_arn": f"{arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/s",
        "source_ip_address": "198.51.100.7",
        "event_source": "ec2.amazonaws.com",
        "event_name": "RunInstances",
        "read_only": False,
    }
    return [
        builders.event(T0 + (at + number) * MINUTE, **{**base, **columns})
        for number in range(count)
    ]


def anomaly(calls: Sequence[Mapping[str, Any]], key: str = "a", **columns: Any) -> dict[str, Any]:
    """A closed surge of the API of some calls, which are its evidence."""
    first = calls[0]
    started = columns.pop("started_at", first["event_time"])
    detector, kind = columns.pop("detector", "call_rate"), columns.pop("kind", "surge")
    extra = columns.pop("extra", {})
    row: dict[str, Any] = {
        "anomaly_id": anomaly_id(detector, kind, key, started),
        "state": "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": detector,
        "kind": kind,
        "severity": "medium",
        "score": 5.0,
        "p_value": None if kind == "rule" else 1e-5,
        "started_at": started,
        "ended_at": calls[-1]["event_time"] + MINUTE,
        "account_id": first["account_id"],
        "aws_region": first["aws_region"],
        "event_source": first["event_source"],
        "event_name": first["event_name"],
        "error_code": first.get("error_code"),
        "principal_arn": first["principal_arn"],
        "series_key": key,
        "title": f"{first['event_name']} surged ({key})",
        "explanation": f"{first['event_name']} was called {len(calls)} times ({key}).",
        "evidence": json.dumps(
            {
                "event_ids": [call["event_id"] for call in calls],
                "events": len(calls),
                "sql": "",
                **extra,
            }
        ),
        "insight": None,
        "detected_at": NIGHT,
    }
    return row | columns


def lake(place: Path, calls: Sequence[Mapping[str, Any]], *anomalies: Mapping[str, Any]) -> Lake:
    """A lake of these events and anomalies."""
    made = lakes.empty(place)
    made.append("events", pa.Table.from_pylist([dict(call) for call in calls], schema.EVENTS))
    add(made, *anomalies)
    return made


def add(made: Lake, *anomalies: Mapping[str, Any]) -> None:
    made.append("anomalies", pa.Table.from_pylist([dict(row) for row in anomalies], ANOMALIES))


def build(made: Lake, now: dt.datetime = NIGHT, **settings: Any) -> IncidentsResult:
    return build_incidents(made, settings=Settings(**settings), now=now)


def standing(made: Lake) -> list[dict[str, Any]]:
    """All incidents in their newest revision, the first opened first."""
    with made.engine() as engine:
        found: list[dict[str, Any]] = engine.sql(
            "select * from incidents order by opened_at, started_at, incident_id"
        ).to_pylist()
    return found
