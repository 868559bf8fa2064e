"""Labels of what really happened, and how alarms compare with them."""

from __future__ import annotations

import datetime as dt
import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from ctanalytics.errors import UsageError, reason

BEFORE: Final = dt.timedelta(minutes=30)
AFTER: Final = dt.timedelta(days=1)
"""An alarm that touches an incident, or comes within the day after it, is no false one."""

LATE: Final = dt.timedelta(minutes=60)
"""An incident is found by an alarm that fired while it went on, or so soon after."""


class Label(msgspec.Struct, frozen=True):
    """An incident, as a line of `labels.jsonl` that `ctanalytics simulate` writes has it.

    A null, or what is left out, says nothing: it fits any alarm.
    """

    started_at: dt.datetime
    ended_at: dt.datetime
    kind: str = "incident"
    malicious: bool = True
    account_id: str | None = None
    aws_region: str | None = None
    event_source: str | None = None
    event_name: str | None = None
    error_code: str | None = None
    principal_arn: str | None = None

    def fits(self, alarm: Mapping[str, Any]) -> bool:
        """Whether an alarm tells of this: same time and account, and the same API or principal."""
        ended = alarm["ended_at"] or alarm["started_at"]
        if alarm["started_at"] > self.ended_at + AFTER or ended < self.started_at - BEFORE:
            return False
        if self.account_id and alarm["account_id"] not in (None, self.account_id):
            return False
        api = self.event_name is not None and alarm["event_name"] == self.event_name
        if api and alarm["event_source"] in (None, self.event_source):
            return True
        principal = _role_of(self.principal_arn)
        if principal and _role_of(alarm["principal_arn"]) == principal:
            return True
        return self.event_name is None and self.principal_arn is None

    def is_found_by(self, alarm: Mapping[str, Any]) -> bool:
        """Whether an alarm that fits came while this went on."""
        return bool(self.started_at <= alarm["fired_at"] <= self.ended_at + LATE)


@dataclass(frozen=True)
class Compared:
    """Alarms beside labels."""

    false_alarms: list[str]
    """Ids of alarms that fit no incident."""
    summary: dict[str, Any]


def read(path: Path) -> list[Label]:
    """Read labels, one JSON object a line; those that are not malicious are left out.

    Raises:
        UsageError: the file can't be read, or a line is no label; all bad lines are named.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the labels can't be read: {reason(error)}",
            where=str(path),
            mend="name a JSON Lines file",
        ) from error
    labels, faults = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            label = msgspec.json.decode(line, type=Label)
            if label.started_at.tzinfo is None or label.ended_at.tzinfo is None:
                raise ValueError("its times need a zone, such as Z")
            labels.append(label)
        except (msgspec.DecodeError, ValueError) as error:
            faults.append(f"line {number}: {error}")
    if faults:
        raise UsageError(
            "; ".join(faults[:5]) + (" ..." if len(faults) > 5 else ""),
            where=str(path),
            mend="a label is a JSON object with started_at and ended_at; see docs/backtest.md",
        )
    return [label for label in labels if label.malicious]


def compare(alarms: Sequence[Mapping[str, Any]], labels: Sequence[Label]) -> Compared:
    """Tell which alarms are false, and which incidents are found how soon.

    Args:
        alarms: `findings.ANOMALIES` with `fired_at`.
    """
    false_alarms = [
        alarm["anomaly_id"] for alarm in alarms if not any(label.fits(alarm) for label in labels)
    ]
    delays: dict[str, list[float | None]] = defaultdict(list)
    for label in labels:
        found = [
            (alarm["fired_at"] - label.started_at).total_seconds() / 60
            for alarm in alarms
            if label.fits(alarm) and label.is_found_by(alarm)
        ]
        delays[label.kind].append(min(found, default=None))
    every = [delay for kind in delays.values() for delay in kind]
    kinds = [{"kind": kind, **_recall(found)} for kind, found in sorted(delays.items())]
    return Compared(
        false_alarms,
        {"false_alarms": len(false_alarms), **_recall(every), "kinds": kinds},
    )


def _recall(delays: Sequence[float | None]) -> dict[str, Any]:
    known = [delay for delay in delays if delay is not None]
    return {
        "incidents": len(delays),
        "found": len(known),
        "median_delay_minutes": round(statistics.median(known), 1) if known else None,
    }


def _role_of(arn: str | None) -> str | None:
    """The part of an ARN that names a principal, whichever way a role or its session is written."""
    return arn.rpartition("/")[2] or None if arn else None


def fired_at(row: Mapping[str, Any]) -> dt.datetime:
    """When an anomaly was an alarm: as its evidence has it, else when it began."""
    told = json.loads(row["evidence"]).get("fired_at")
    started: dt.datetime = row["started_at"]
    return dt.datetime.fromisoformat(told) if told else started
