"""Anomalies for the tests of emitters: rows of the table, alerts, and a lake that holds them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ctanalytics.emitters.base import Alert, alert_from
from ctanalytics.findings import ANOMALIES
from ctanalytics.lake.lake import Lake

NOW = dt.datetime(2024, 5, 2, 6, 0, tzinfo=dt.UTC)


def row(name: str = "a", **columns: Any) -> dict[str, Any]:
    """One row of the anomalies table: a closed surge of a write API, detected two hours later."""
    found: dict[str, Any] = {
        "anomaly_id": hashlib.sha256(name.encode()).hexdigest()[:32],
        "state": "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": "call_rate",
        "kind": "surge",
        "severity": "high",
        "score": 12.345678,
        "p_value": 4.5e-13,
        "started_at": NOW - dt.timedelta(hours=3),
        "ended_at": NOW - dt.timedelta(hours=2),
        "account_id": "111122223333",
        "aws_region": "eu-west-1",
        "event_source": "ec2.amazonaws.com",
        "event_name": "RunInstances",
        "error_code": None,
        "principal_arn": "arn:aws:iam::111122223333:role/ci",
        "series_key": name,
        "title": f"Surge of RunInstances ({name})",
        "explanation": "ci called RunInstances 214 times in 5 minutes; its usual is 2.",
        "evidence": json.dumps(
            {
                "event_ids": [f"{number:036}" for number in range(3)],
                "events": 214,
                "sql": "select * from events\nwhere event_name = 'RunInstances'",
                "rate": {"unit": "calls per minute", "minutes": 5, "points": [["t", 1, 2]] * 600},
            }
        ),
        "insight": json.dumps({"start": {"eventName": "RunInstances"}, "end": None}),
        "detected_at": NOW,
    }
    unknown = columns.keys() - found.keys()
    assert not unknown, f"no such columns: {unknown}"
    return found | columns


def alert(name: str = "a", **columns: Any) -> Alert:
    """The same as an alert; `is_update` may be given too."""
    update = columns.pop("is_update", False)
    found = row(name, **columns)
    del found["series_key"]
    made = alert_from(found)
    return made if not update else Alert(**{**_fields(made), "is_update": True})


def _fields(made: Alert) -> Mapping[str, Any]:
    return {name: getattr(made, name) for name in Alert.__slots__}


def lake(place: Path | str, *rows: dict[str, Any]) -> Lake:
    """A lake with these anomalies."""
    made = Lake.create(str(place))
    add(made, *rows)
    return made


def add(made: Lake, *rows: dict[str, Any]) -> None:
    """Append anomalies to a lake."""
    if rows:
        made.append("anomalies", pa.Table.from_pylist(list(rows), schema=ANOMALIES))


def outbox(made: Lake) -> list[dict[str, Any]]:
    """All rows of the outbox, in the order of their anomalies."""
    with made.engine() as engine:
        found = engine.sql('select * from lake.outbox order by target, "at", anomaly_id, revision')
    return found.to_pylist()
