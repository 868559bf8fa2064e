"""What an emitter takes and returns: alerts out in calls, an outcome for each alert back."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol, TextIO

from ctanalytics.settings import Aws, TargetOptions

Key = tuple[str, str, int]
"""Id, state and revision: what is sent to a target once."""

_NONE: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Account:
    """What the lake's `account_directory` knows of an account."""

    account_id: str
    account_name: str | None = None
    ou: str | None = None
    ou_path: str | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One revision of an anomaly, or of an incident, on its way to a target.

    Fields as in `findings.ANOMALIES`; of an incident those that its anomalies share.
    """

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
    accounts: tuple[Account, ...] = ()
    incident: Mapping[str, Any] | None = None
    """Of an incident: what `INCIDENT_FIELDS` names."""
    verdict: str | None = None
    """What a person or the allow-list said of the anomaly: benign, allowed, confirmed."""
    is_update: bool = False
    """The target was already told of this anomaly, in another state."""
    stands_for: tuple[Alert, ...] = ()
    """Of a summary: the alerts that it tells of."""

    @property
    def key(self) -> Key:
        """What is sent to a target once."""
        return self.anomaly_id, self.state, self.revision

    @property
    def alert_id(self) -> str:
        """The key as text, by which a receiver can drop what comes again."""
        return ":".join(map(str, self.key))

    @property
    def detectors(self) -> tuple[str, ...]:
        """Whose finding it is; of an incident, of all its anomalies."""
        return tuple((self.incident or _NONE).get("detectors") or (self.detector,))

    @property
    def account(self) -> Account | None:
        """The account, when it is one alone."""
        return self.accounts[0] if len(self.accounts) == 1 else None


INCIDENT_FIELDS: Final = (
    "closed_because",
    "first_severity",
    "escalated_at",
    "opened_at",
    "next_steps",
    "anomaly_ids",
    "detectors",
    "kinds",
    "linked_by",
    "account_ids",
    "aws_regions",
    "principal_arns",
    "people",
    "access_key_ids",
    "networks",
    "apis",
    "tactics",
    "techniques",
    "lanes",
)
"""What a message tells of an incident beside the fields of an anomaly."""


def alert_from(row: Mapping[str, Any], directory: Mapping[str, Account] = _NONE) -> Alert:
    """Make an alert of a row of the anomalies table; `detailed` adds what is long, if it lacks.

    Args:
        directory: accounts by their ids.
    """
    short = {name: value for name, value in row.items() if name not in _LONG}
    ids = [row["account_id"]] if row["account_id"] else []
    made = Alert(**short, explanation="", accounts=_accounts(ids, directory))
    return detailed(made, row) if "evidence" in row else made


_LONG: Final = ("explanation", "evidence", "insight")


def detailed(alert: Alert, row: Mapping[str, Any]) -> Alert:
    """Return an alert with its explanation, evidence and insight."""
    return replace(
        alert,
        explanation=row["explanation"],
        evidence=_parsed(row["evidence"]) or {},
        insight=_parsed(row["insight"]),
    )


def incident_from(row: Mapping[str, Any], directory: Mapping[str, Account] = _NONE) -> Alert:
    """Make an alert of a row of the incidents table; what several anomalies differ in is left open."""
    source, _, name = (_single(row["apis"]) or "").partition(":")
    told = {key: row[key] for key in INCIDENT_FIELDS}
    told["lanes"] = json.loads(row["lanes"] or "[]")
    ids = list(row["account_ids"] or ())
    return Alert(
        anomaly_id=row["incident_id"],
        state=row["state"],
        revision=row["revision"],
        detector="incidents",
        kind="incident",
        severity=row["severity"],
        score=row["score"],
        p_value=row["p_value"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        detected_at=row["detected_at"],
        title=row["title"],
        explanation=row["story"],
        superseded_by=row["superseded_by"],
        account_id=_single(ids),
        aws_region=_single(row["aws_regions"]),
        event_source=source or None,
        event_name=name or None,
        principal_arn=_single(row["principal_arns"]),
        evidence={"event_ids": list(row["event_ids"] or ()), "events": row["events"]},
        accounts=_accounts(ids, directory),
        incident=told,
    )


def _accounts(ids: Sequence[str], directory: Mapping[str, Account]) -> tuple[Account, ...]:
    return tuple(directory.get(one) or Account(one) for one in ids)


def _single(values: Sequence[str] | None) -> str | None:
    return values[0] if values and len(values) == 1 else None


def _parsed(text: str | None) -> dict[str, Any] | None:
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


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
    wait_seconds: float = 0.0
    """With retry: how long the target asked to be left alone."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a target may say about the run as a whole."""

    now: dt.datetime
    lake_lag_minutes: float | None = None
    """Age of the newest event in the lake; None when there is none of late."""
    has_incidents: bool = False
    """The lake has incidents: a target may say that none is new."""
    went_well: bool = True
    """What came before in the same night did not fail: a target may count the night as a success."""


class Emitter(Protocol):
    """One target."""

    @property
    def target(self) -> str:
        """The target's name in the outbox; it holds no secret."""
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

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """Say in a line what sending these would do, without doing it."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What emitters reach out with."""

    aws: Aws
    stdout: TextIO
    options: Mapping[str, TargetOptions] = field(default_factory=dict)
    """By target as the user wrote it, or by kind."""
    encryption: Mapping[str, str] = field(
        default_factory=lambda: {"ServerSideEncryption": "aws:kms"}
    )
    """How objects in S3 are asked to be encrypted, as PutObject has it."""


def groups(alerts: Sequence[Alert], size: int) -> Iterator[Sequence[Alert]]:
    """Split alerts by number alone."""
    for start in range(0, len(alerts), size):
        yield alerts[start : start + size]


def batched(
    alerts: Iterable[Alert], size: Callable[[Alert], int], *, most: int, most_bytes: int
) -> Iterator[list[Alert]]:
    """Yield alerts in batches, in their order.

    Args:
        size: bytes of one, as the provider counts them; one that is larger than a batch may be is
            a batch by itself.
        most: alerts in a batch.
        most_bytes: of a batch.
    """
    batch: list[Alert] = []
    held = 0
    for alert in alerts:
        more = size(alert)
        if batch and (len(batch) == most or held + more > most_bytes):
            yield batch
            batch, held = [], 0
        batch.append(alert)
        held += more
    if batch:
        yield batch
