"""What an emitter takes and returns: alerts out in calls, an outcome for each alert back."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TextIO

from ctanalytics.settings import Aws


@dataclass(frozen=True, slots=True)
class Alert:
    """One revision of an anomaly on its way to a target; fields as in `findings.ANOMALIES`."""

    anomaly_id: str
    state: str
    revision: int
    detector: str
    kind: str
    severity: str
    score: float
    started_at: dt.datetime
    detected_at: dt.datetime
    title: str
    explanation: str
    superseded_by: str | None = None
    p_value: float | None = None
    ended_at: dt.datetime | None = None
    account_id: str | None = None
    aws_region: str | None = None
    event_source: str | None = None
    event_name: str | None = None
    error_code: str | None = None
    principal_arn: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    insight: Mapping[str, Any] | None = None
    is_update: bool = False
    """The target was already told of this anomaly, in another state."""

    @property
    def key(self) -> tuple[str, str, int]:
        """What is sent to a target once."""
        return self.anomaly_id, self.state, self.revision


def alert_from(row: Mapping[str, Any]) -> Alert:
    """Make an alert of a row of the anomalies table."""
    parsed = {name: _parsed(row[name]) for name in ("evidence", "insight")}
    return Alert(**{**row, "evidence": parsed["evidence"] or {}, "insight": parsed["insight"]})


def _parsed(text: str | None) -> dict[str, Any] | None:
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def plain(alert: Alert) -> dict[str, Any]:
    """Return an alert as JSON-able data, the evidence and insight as objects."""
    return {
        "anomaly_id": alert.anomaly_id,
        "state": alert.state,
        "revision": alert.revision,
        "detector": alert.detector,
        "kind": alert.kind,
        "severity": alert.severity,
        "score": alert.score,
        "p_value": alert.p_value,
        "started_at": moment(alert.started_at),
        "ended_at": moment(alert.ended_at) if alert.ended_at else None,
        "account_id": alert.account_id,
        "aws_region": alert.aws_region,
        "event_source": alert.event_source,
        "event_name": alert.event_name,
        "error_code": alert.error_code,
        "principal_arn": alert.principal_arn,
        "title": alert.title,
        "explanation": alert.explanation,
        "evidence": dict(alert.evidence),
        "insight": alert.insight,
        "detected_at": moment(alert.detected_at),
    }


def moment(time: dt.datetime) -> str:
    """Write a time as ISO 8601 in UTC with Z."""
    return time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a target said about one alert."""

    verdict: Literal["sent", "retry", "refused", "apart"]
    """retry: busy, the same may succeed later; refused: it never will; apart: the call was
    refused as a whole, so each alert has to go alone to find the one at fault."""
    reason: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What a target may say about the run as a whole."""

    now: dt.datetime
    lake_lag_minutes: float | None = None
    """Age of the newest event in the lake; None when there is none of late."""


class Emitter(Protocol):
    """One target."""

    @property
    def target(self) -> str:
        """The target's name in the outbox."""
        ...

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """Split alerts into what one call takes, within the target's limits."""
        ...

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """Make one call with one batch, or with a part of it; outcomes in the same order.

        Raises:
            EmitError: the target as a whole can't be reached or refuses; no alert is at fault.
        """
        ...

    def finish(self, run: Run) -> None:
        """Say that the run ended and all that was to be sent is sent. Raises as `send` does."""
        ...

    def preview(self, alerts: Sequence[Alert]) -> str:
        """Say in a line what sending these would do, without doing it."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What emitters reach out with."""

    aws: Aws
    stdout: TextIO
