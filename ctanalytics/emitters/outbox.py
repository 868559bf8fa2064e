"""Each anomaly to each target once, kept until the target acknowledged it.

What a target acknowledges is journaled after every call, before the next one is made, and folded
into the table `outbox` at the end or at the next start: a kill repeats at most one call.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from ctanalytics import aws as amazon
from ctanalytics.emitters.base import Alert, Emitter, Outcome, moment
from ctanalytics.findings import OUTBOX, severity_rank
from ctanalytics.lake.lake import Lake

GIVE_UP_AFTER: Final = 5
"""Runs in which a target refused an alert, after which it is not offered again."""

BUSY_TRIES: Final = 6
"""Calls with the same alerts while a target answers that it is busy."""

REVISED: Final = "revision of an alert already sent"
BACKFILL: Final = "backfill: it ended long before it was detected"
SUPERSEDED: Final = "another anomaly took it over"
WITHDRAWN: Final = "withdrawn before it was sent"

Row = dict[str, Any]
"""One row of the table `outbox`."""


@dataclass(frozen=True, slots=True)
class Handled:
    """The newest outbox row of one state and revision of an anomaly, at one target."""

    state: str
    revision: int
    outcome: str
    reason: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What is sent at all."""

    min_severity: str
    backfill: dt.timedelta
    include_backfill: bool = False


@dataclass(frozen=True, slots=True)
class Decisions:
    """What to do about all anomalies at one target."""

    send: list[Alert]
    """The most severe first, then in the order they were detected."""
    attempts: dict[tuple[str, str, int], int]
    """Runs before this one that tried to send an alert and were refused."""
    suppress: list[tuple[Alert, str]]
    """With the reason."""
    already: int
    """Sent or suppressed in an earlier run, or given up."""


def decide(
    alerts: Iterable[Alert], handled: Mapping[str, Sequence[Handled]], policy: Policy
) -> Decisions:
    """Compare the newest revisions of anomalies with what a target was told.

    Args:
        handled: by anomaly id.
    """
    found = Decisions([], {}, [], 0)
    already = 0
    for alert in alerts:
        if severity_rank(alert.severity) < severity_rank(policy.min_severity):
            continue  # not recorded: a later run may ask for less severe ones
        rows = handled.get(alert.anomaly_id, ())
        own = next((row for row in rows if (row.state, row.revision) == alert.key[1:]), None)
        if own is not None and _is_settled(own, policy):
            already += 1
            continue
        reason = _reason_against(alert, rows, policy)
        if reason is not None:
            found.suppress.append((alert, reason))
            continue
        told = any(row.outcome == "sent" for row in rows)
        found.send.append(replace(alert, is_update=told))
        if own is not None and own.outcome == "failed":
            found.attempts[alert.key] = own.attempts
    found.send.sort(key=lambda one: (-severity_rank(one.severity), one.detected_at, one.anomaly_id))
    return replace(found, already=already)


def _is_settled(row: Handled, policy: Policy) -> bool:
    if row.outcome == "failed":
        return row.attempts >= GIVE_UP_AFTER
    # What was held back as backfill is wanted after all.
    return not (policy.include_backfill and row.outcome == "suppressed" and row.reason == BACKFILL)


def _reason_against(alert: Alert, rows: Sequence[Handled], policy: Policy) -> str | None:
    told = any(row.outcome == "sent" for row in rows)
    if any(row.outcome == "sent" and row.state == alert.state for row in rows):
        return REVISED
    if alert.superseded_by is not None:
        return SUPERSEDED
    if alert.state == "withdrawn" and not told:
        return WITHDRAWN
    ended_ago = alert.detected_at - alert.ended_at if alert.ended_at else dt.timedelta()
    if ended_ago > policy.backfill and not (policy.include_backfill or told):
        return BACKFILL
    return None


@dataclass
class Tally:
    """Counts of one delivery."""

    sent: int = 0
    failed: int = 0
    """Refused for good, or still busy after all tries."""
    last_reason: str = ""


def deliver(
    emitter: Emitter,
    decisions: Decisions,
    journal: Callable[[list[Row]], None],
    *,
    tally: Tally,
    now: dt.datetime,
    pause: Callable[[int], None] = amazon.pause,
) -> None:
    """Send what was decided, journaling each call's outcomes before the next call.

    A busy target is asked again with what it didn't take; what is still left after that stays
    pending for the next run, unrecorded.

    Raises:
        EmitError: the target as a whole can't be reached; `tally` holds what was done before.
    """
    calls: deque[tuple[Sequence[Alert], int]] = deque(
        (batch, 1) for batch in emitter.batches(decisions.send)
    )
    while calls:
        batch, number = calls.popleft()
        outcomes = list(zip(batch, emitter.send(batch), strict=True))
        settled = [pair for pair in outcomes if pair[1].verdict in ("sent", "refused")]
        if settled:
            journal([_row(emitter.target, *pair, decisions.attempts, now) for pair in settled])
        for _, outcome in outcomes:
            tally.sent += outcome.verdict == "sent"
            tally.failed += outcome.verdict == "refused"
            tally.last_reason = outcome.reason or tally.last_reason
        apart = [alert for alert, outcome in outcomes if outcome.verdict == "apart"]
        calls.extendleft(([alert], 1) for alert in reversed(apart))
        busy = [alert for alert, outcome in outcomes if outcome.verdict == "retry"]
        if busy and number == BUSY_TRIES:
            tally.failed += len(busy)
        elif busy:
            pause(number)
            calls.appendleft((busy, number + 1))


def _row(
    target: str,
    alert: Alert,
    outcome: Outcome,
    attempts: Mapping[tuple[str, str, int], int],
    now: dt.datetime,
) -> Row:
    sent = outcome.verdict == "sent"
    return _outbox_row(
        alert,
        target,
        "sent" if sent else "failed",
        reason=None if sent else outcome.reason,
        attempts=attempts.get(alert.key, 0) + 1,
        message_id=outcome.message_id,
        now=now,
    )


def suppressed_row(target: str, alert: Alert, reason: str, now: dt.datetime) -> Row:
    """Return the outbox row of an alert that is not sent."""
    return _outbox_row(alert, target, "suppressed", reason=reason, attempts=0, now=now)


def _outbox_row(
    alert: Alert,
    target: str,
    outcome: str,
    *,
    reason: str | None,
    attempts: int,
    now: dt.datetime,
    message_id: str | None = None,
) -> Row:
    return {
        "anomaly_id": alert.anomaly_id,
        "state": alert.state,
        "revision": alert.revision,
        "target": target,
        "outcome": outcome,
        "reason": reason,
        "attempts": attempts,
        "message_id": message_id,
        "at": moment(now),
    }


def target_hash(target: str) -> str:
    """Return a name for a target that may stand in a path."""
    return hashlib.sha256(target.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Journal:
    """One target's acknowledgements that the table `outbox` doesn't have yet.

    To be used under the target's lease.
    """

    lake: Lake
    target: str

    @property
    def lease_name(self) -> str:
        """The lease under which one process at a time sends to the target."""
        return f"emit-{target_hash(self.target)}"

    @property
    def _folder(self) -> str:
        return f"journal/{target_hash(self.target)}/"

    def write(self, rows: list[Row]) -> None:
        """Keep the outcomes of one call, for good."""
        name = f"{self._folder}{time.time_ns():020d}-{uuid.uuid4().hex}.json"
        self.lake.store.put_once(name, json.dumps(rows).encode())

    def fold(self, more: Sequence[Row] = ()) -> None:
        """Move what is journaled, and more rows, into the table in one commit.

        A kill between commit and deletion leaves entries that come in again: the same rows twice,
        of which readers take one.
        """
        paths = list(self.lake.store.list(self._folder))
        rows = [row for path in paths for row in self._entry(path)]
        rows += more
        if rows:
            timed = [row | {"at": dt.datetime.fromisoformat(row["at"])} for row in rows]
            self.lake.append("outbox", pa.Table.from_pylist(timed, schema=OUTBOX))
        for path in paths:
            self.lake.store.delete(path)

    def _entry(self, path: str) -> list[Row]:
        try:
            found: list[Row] = json.loads(self.lake.store.read(path))
        except FileNotFoundError:
            return []  # folded by a process that took the lease for abandoned
        return found
