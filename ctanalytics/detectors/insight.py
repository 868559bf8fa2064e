"""The numbers of an anomaly in the shape of CloudTrail's own Insights events.

Source: AWS CloudTrail User Guide, "Record contents for CloudTrail Insights events for trails".
That the baseline reaches from midnight seven days before up to the start, and that an average is a
whole count over whole minutes, is inferred from records that AWS published.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

BASELINE_DAYS: Final = 7
START_MINUTES: Final = 5
"""A Start is averaged over the first five minutes, as in the records that AWS published."""

ATTRIBUTES: Final = ("userIdentityArn", "userAgent", "errorCode")
"""What AWS's records attribute calls to."""

_DECIMALS: Final = 10
_MOST_VALUES: Final = 5
_OTHER: Final = "other"
_VERSION: Final = "1.09"


@dataclass(frozen=True, slots=True)
class Share:
    """One value of an attribution: its calls in the insight and in the baseline."""

    value: str
    insight: int
    baseline: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What an Insights record says. Times are UTC minutes, spans half-open."""

    anomaly_id: str
    insight_type: str
    account_id: str | None
    aws_region: str | None
    event_source: str | None
    event_name: str | None
    error_code: str | None
    start: dt.datetime
    end: dt.datetime | None
    """None while it goes on: there is no End record yet."""
    start_calls: int
    """Calls of the first START_MINUTES minutes."""
    calls: int
    """Calls from start to end."""
    baseline_calls: int
    attributions: Mapping[str, Sequence[Share]]
    """By attribute name: userIdentityArn, userAgent, errorCode."""
    start_attributions: Mapping[str, Sequence[Share]]
    """The same of the first START_MINUTES minutes."""
    category: str = "Management"
    """Or Data: of the events that were counted."""


def baseline_start(start: dt.datetime) -> dt.datetime:
    """Return where the baseline of an insight begins: midnight, seven days before its start."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - dt.timedelta(days=BASELINE_DAYS)


def average(calls: int, minutes: int) -> float:
    """Return calls per minute, idle minutes included, with AWS's ten decimals."""
    return round(calls / minutes, _DECIMALS)


def records(facts: Facts) -> dict[str, dict[str, Any] | None]:
    """Return {"start": record, "end": record or None}; both share their sharedEventID."""
    first = _record(
        facts, "Start", facts.start, facts.start_calls, START_MINUTES, facts.start_attributions
    )
    if facts.end is None:
        return {"start": first, "end": None}
    minutes = max((facts.end - facts.start) // dt.timedelta(minutes=1), 1)
    return {
        "start": first,
        "end": _record(facts, "End", facts.end, facts.calls, minutes, facts.attributions),
    }


def renamed(
    found: dict[str, dict[str, Any] | None], anomaly_id: str
) -> dict[str, dict[str, Any] | None]:
    """Return the same records under the ids of another anomaly: one that was published before."""
    return {
        name: record
        and record
        | {
            "eventID": _id(anomaly_id, record["insightDetails"]["state"]),
            "sharedEventID": _id(anomaly_id, "shared"),
        }
        for name, record in found.items()
    }


def _record(
    facts: Facts,
    state: str,
    moment: dt.datetime,
    calls: int,
    minutes: int,
    attributions: Mapping[str, Sequence[Share]],
) -> dict[str, Any]:
    since = baseline_start(facts.start)
    baseline_minutes = (facts.start - since) // dt.timedelta(minutes=1)
    details: dict[str, Any] = {
        "state": state,
        "eventSource": facts.event_source,
        "eventName": facts.event_name,
        "insightType": facts.insight_type,
    }
    if facts.insight_type == "ApiErrorRateInsight":
        details["errorCode"] = facts.error_code
    details["sourceEventCategory"] = facts.category
    details["insightContext"] = {
        "statistics": {
            "baseline": {"average": average(facts.baseline_calls, baseline_minutes)},
            "insight": {"average": average(calls, minutes)},
            "insightDuration": minutes,
            "baselineDuration": baseline_minutes,
        },
        "attributions": [
            _attribution(name, shares, minutes, baseline_minutes)
            for name, shares in attributions.items()
        ],
    }
    return {
        "eventVersion": _VERSION,
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:00Z"),
        "awsRegion": facts.aws_region,
        "eventID": _id(facts.anomaly_id, state),
        "eventType": "AwsCloudTrailInsight",
        "recipientAccountId": facts.account_id,
        "sharedEventID": _id(facts.anomaly_id, "shared"),
        "insightDetails": details,
        "eventCategory": "Insight",
    }


def _attribution(
    name: str, shares: Sequence[Share], minutes: int, baseline_minutes: int
) -> dict[str, Any]:
    return {
        "attribute": name,
        "insight": _values([(s.value, s.insight) for s in shares], minutes),
        "baseline": _values([(s.value, s.baseline) for s in shares], baseline_minutes),
    }


def _values(counts: Sequence[tuple[str, int]], minutes: int) -> list[dict[str, Any]]:
    """At most five values, largest first; what is beyond them is one value, so that all add up."""
    ordered = sorted((c for c in counts if c[1]), key=lambda c: (-c[1], c[0]))
    if len(ordered) > _MOST_VALUES:
        rest = sum(count for _, count in ordered[_MOST_VALUES - 1 :])
        ordered = [*ordered[: _MOST_VALUES - 1], (_OTHER, rest)]
    return [{"value": value, "average": average(count, minutes)} for value, count in ordered]


def _id(anomaly_id: str, part: str) -> str:
    digest = hashlib.sha256(f"{anomaly_id}:{part}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
