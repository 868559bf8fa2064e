"""What is sent to a target, what is held back, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from ctanalytics.emitters.base import Alert, Key
from ctanalytics.emitters.terms import Terms, routed
from ctanalytics.findings import severity_rank

GIVE_UP_AFTER: Final = 5
"""Runs in which a target refused an alert, after which it is a dead letter."""

ALERTS_A_DAY: Final = 3
"""Of one incident to one target: opened, and what becomes of it."""

REVISED: Final = "revision of an alert already sent"
BACKFILL: Final = "backfill: it ended long before it was detected"
SUPERSEDED: Final = "another took it over"
WITHDRAWN: Final = "withdrawn before it was sent"
MEMBER: Final = "told by its incident"
OFTEN: Final = f"told {ALERTS_A_DAY} times within a day"
BENIGN: Final = "called benign"
ALLOWED: Final = "covered by the allow-list"
REPLACED: Final = "a later revision is told instead"
QUIET: Final = "quiet hours"


@dataclass(frozen=True, slots=True)
class Handled:
    """The newest outbox row of one state and revision of an anomaly, at one target."""

    state: str
    revision: int
    outcome: str
    reason: str | None
    attempts: int
    at: dt.datetime | None = None
    severity: str | None = None
    """Of an incident, in that revision."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is sent at all."""

    terms: Terms
    now: dt.datetime
    backfill: dt.timedelta
    include_backfill: bool = False
    retry: bool = False
    """Dead letters are offered again."""
    members: frozenset[str] = frozenset()
    """Ids of anomalies that incidents tell of."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What to do about all alerts at one target."""

    send: list[Alert] = field(default_factory=list)
    """The most severe first, then in the order they were detected."""
    attempts: dict[Key, int] = field(default_factory=dict)
    """Runs before this one in which the target refused an alert."""
    waiting: dict[Key, str | None] = field(default_factory=dict)
    """Of what the outbox has as pending: the reason that it gives."""
    suppress: list[tuple[Alert, str]] = field(default_factory=list)
    """With the reason."""
    hold: list[tuple[Alert, str]] = field(default_factory=list)
    """To be sent by a later run, with the reason."""
    already: int = 0
    """Sent or suppressed in an earlier run."""
    dead: int = 0
    """Refused so often that they are not offered any more."""


def decide(
    alerts: Iterable[Alert], handled: Mapping[str, Sequence[Handled]], policy: Policy
) -> Decisions:
    """Compare the newest revisions of anomalies and incidents with what a target was told.

    Args:
        handled: by anomaly or incident id.
    """
    found = Decisions()
    already = dead = 0
    for alert in alerts:
        rows = handled.get(alert.anomaly_id, ())
        way = _way(alert, policy)
        if way == "no":
            continue  # not recorded: a later run may ask for it
        own = next((row for row in rows if (row.state, row.revision) == alert.key[1:]), None)
        if own is not None and _is_dead(own) and not policy.retry:
            dead += 1
            continue
        if own is not None and _is_settled(own, policy):
            already += 1
            continue
        found.suppress.extend(_replaced(alert, rows))
        if any(row.outcome == "sent" for row in rows):
            alert = replace(alert, is_update=True)
        _add(found, alert, own, reason=_reason_against(alert, rows, policy), waits=way == "wait")
    found.send.sort(key=lambda one: (-severity_rank(one.severity), one.detected_at, one.anomaly_id))
    return replace(found, already=already, dead=dead)


def _replaced(alert: Alert, rows: Sequence[Handled]) -> Iterator[tuple[Alert, str]]:
    """Earlier revisions that still wait, and need not any more."""
    for row in rows:
        if row.outcome in ("pending", "failed") and (row.state, row.revision) != alert.key[1:]:
            yield replace(alert, state=row.state, revision=row.revision), REPLACED


def _way(alert: Alert, policy: Policy) -> Literal["go", "wait", "no"]:
    if severity_rank(alert.severity) < severity_rank(policy.terms.min_severity):
        return "no"
    return routed(alert, policy.terms.routes, policy.now)


def _add(
    found: Decisions, alert: Alert, own: Handled | None, *, reason: str | None, waits: bool
) -> None:
    if reason is not None:
        found.suppress.append((alert, reason))
        return
    if own is not None and own.attempts:
        found.attempts[alert.key] = own.attempts
    if own is not None and own.outcome == "pending":
        found.waiting[alert.key] = own.reason
    if waits:
        found.hold.append((alert, QUIET))
    else:
        found.send.append(alert)


def _is_dead(row: Handled) -> bool:
    return row.outcome == "dead_letter"


def _is_settled(row: Handled, policy: Policy) -> bool:
    if row.outcome in ("pending", "failed", "dead_letter"):
        return False
    # What was held back as backfill is wanted after all.
    return not (policy.include_backfill and row.outcome == "suppressed" and row.reason == BACKFILL)


def _reason_against(alert: Alert, rows: Sequence[Handled], policy: Policy) -> str | None:
    sent = [row for row in rows if row.outcome == "sent"]
    if alert.anomaly_id in policy.members:
        return MEMBER
    if alert.incident is not None:
        reason = _reason_against_incident(alert, sent, policy)
    else:
        reason = _reason_against_anomaly(alert, sent)
    if reason is not None:
        return reason
    # What was to be sent before is no backfill because it had to wait.
    is_begun = any(row.outcome != "suppressed" for row in rows)
    if _ended_before_it_was_found(alert) > policy.backfill and not (
        policy.include_backfill or is_begun
    ):
        return BACKFILL
    return None


def _ended_before_it_was_found(alert: Alert) -> dt.timedelta:
    found_at = (alert.incident or {}).get("opened_at") or alert.detected_at
    return found_at - alert.ended_at if alert.ended_at else dt.timedelta()


def _reason_against_anomaly(alert: Alert, sent: Sequence[Handled]) -> str | None:
    if any(row.state == alert.state for row in sent):
        return REVISED
    if alert.superseded_by is not None:
        return SUPERSEDED
    if alert.state == "withdrawn" and not sent:
        return WITHDRAWN
    return {"benign": BENIGN, "allowed": ALLOWED}.get(alert.verdict or "")


def _reason_against_incident(alert: Alert, sent: Sequence[Handled], policy: Policy) -> str | None:
    because = (alert.incident or {}).get("closed_because")
    if alert.superseded_by is not None or because == "merged":
        return SUPERSEDED
    if because in ("withdrawn", "marked") and not sent:
        return WITHDRAWN if because == "withdrawn" else BENIGN
    if alert.state == "closed":
        if any(row.state == "closed" for row in sent):
            return REVISED
    elif sent and severity_rank(alert.severity) <= max(
        severity_rank(row.severity or alert.severity) for row in sent
    ):
        return REVISED  # no graver than what was told
    day = policy.now - dt.timedelta(days=1)
    if sum(row.at is not None and row.at > day for row in sent) >= ALERTS_A_DAY:
        return OFTEN
    return None
