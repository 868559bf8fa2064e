"""Anomalies for the tests of emitters: rows of the table, alerts, and a lake that holds them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ctanalytics.emitters.base import Alert, alert_from, incident_from
from ctanalytics.findings import ANOMALIES
from ctanalytics.lake.lake import Lake
from ctanalytics.records.incidents import INCIDENTS
from tests import lakes

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


def alert(name: str = "a", **fields: Any) -> Alert:
    """The same as an alert; fields that are no columns of the table may be given too."""
    columns = row(name).keys() & fields.keys()
    found = row(name, **{column: fields.pop(column) for column in columns})
    del found["series_key"]
    return replace(alert_from(found), **fields)


def incident_row(name: str = "i", **columns: Any) -> dict[str, Any]:
    """One row of the incidents table: open since two hours, of the anomalies a and b."""
    found: dict[str, Any] = {
        "incident_id": hashlib.sha256(name.encode()).hexdigest()[:32],
        "state": "open",
        "revision": 1,
        "superseded_by": None,
        "closed_because": None,
        "severity": "high",
        "first_severity": "high",
        "escalated_at": None,
        "score": 20.5,
        "p_value": 3e-21,
        "started_at": NOW - dt.timedelta(hours=3),
        "ended_at": None,
        "opened_at": NOW,
        "detected_at": NOW,
        "title": f"ci does what it never did ({name})",
        "story": "ci called RunInstances 214 times.\nThen it made a key.",
        "next_steps": ["Ask who runs ci.", "Look at the new key."],
        "anomaly_ids": [row(member)["anomaly_id"] for member in "ab"],
        "detectors": ["call_rate", "sigma"],
        "kinds": ["surge", "rule"],
        "linked_by": ["principal"],
        "account_ids": ["111122223333", "444455556666"],
        "account_names": ["payments", "444455556666"],
        "aws_regions": ["eu-west-1"],
        "principal_arns": ["arn:aws:iam::111122223333:role/ci"],
        "people": ["alice.smith"],
        "access_key_ids": ["ASIAIOSFODNN7EXAMPLE"],
        "networks": ["203.0.113.0/24"],
        "apis": ["ec2.amazonaws.com:RunInstances", "iam.amazonaws.com:CreateAccessKey"],
        "tactics": ["persistence"],
        "techniques": ["T1098.001"],
        "lanes": json.dumps([{"tactic": "persistence", "techniques": ["T1098.001"]}]),
        "event_ids": [f"{number:036}" for number in range(3)],
        "events": 215,
    }
    unknown = columns.keys() - found.keys()
    assert not unknown, f"no such columns: {unknown}"
    return found | columns


def incident(name: str = "i", **columns: Any) -> Alert:
    """The same as an alert."""
    return incident_from(incident_row(name, **columns))


def lake(place: Path | str, *rows: dict[str, Any]) -> Lake:
    """A lake with these anomalies; a text names one in S3."""
    made = Lake.create(place) if isinstance(place, str) else lakes.empty(place)
    add(made, *rows)
    return made


def add(made: Lake, *rows: dict[str, Any]) -> None:
    """Append anomalies to a lake."""
    if rows:
        made.append("anomalies", pa.Table.from_pylist(list(rows), schema=ANOMALIES))


def add_incidents(made: Lake, *rows: dict[str, Any]) -> None:
    """Append incidents to a lake."""
    made.append("incidents", pa.Table.from_pylist(list(rows), schema=INCIDENTS))


def outbox(made: Lake) -> list[dict[str, Any]]:
    """The rows of the outbox that are no mere intention, in the order of their anomalies."""
    return [one for one in outbox_rows(made) if one["outcome"] != "pending"]


def outbox_rows(made: Lake) -> list[dict[str, Any]]:
    """All rows of the outbox."""
    with made.engine() as engine:
        found = engine.sql('select * from lake.outbox order by target, "at", anomaly_id, revision')
    return found.to_pylist()


def deliveries(made: Lake) -> dict[str, tuple[str, str | None, int]]:
    """What became of each anomaly, at any target: outcome, reason, attempts."""
    with made.engine() as engine:
        rows = engine.sql("select * from deliveries order by handled_at, revision").to_pylist()
    return {one["anomaly_id"]: (one["outcome"], one["reason"], one["attempts"]) for one in rows}
