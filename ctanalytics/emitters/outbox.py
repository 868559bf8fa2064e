"""What became of each alert at each target, kept in the lake.

What a target acknowledges is journaled after every call, before the next one is made, and folded
into the table `outbox` at the end or at the next start: a kill repeats at most one call.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ctanalytics.emitters.base import Alert, Key, Outcome, moment
from ctanalytics.emitters.deciding import GIVE_UP_AFTER, Decisions
from ctanalytics.findings import OUTBOX
from ctanalytics.lake.lake import Lake

Row = dict[str, Any]
"""One row of the table `outbox`."""

SUMMARISED: Final = "told in a summary of several"


def answered(
    target: str, alert: Alert, outcome: Outcome, attempts: Mapping[Key, int], now: dt.datetime
) -> list[Row]:
    """Return the rows of an alert that a target took or refused; a summary has one for each."""
    return [
        _answered(target, one, outcome, attempts.get(one.key, 0) + 1, now)
        | ({"reason": outcome.reason or SUMMARISED} if alert.stands_for else {})
        for one in alert.stands_for or (alert,)
    ]


def _answered(target: str, alert: Alert, outcome: Outcome, attempts: int, now: dt.datetime) -> Row:
    sent = outcome.verdict == "sent"
    refused = "dead_letter" if attempts >= GIVE_UP_AFTER else "failed"
    return _row(
        target,
        alert,
        "sent" if sent else refused,
        None if sent else outcome.reason,
        attempts=attempts,
        message_id=outcome.message_id,
        now=now,
    )


def at_the_start(target: str, decisions: Decisions, now: dt.datetime) -> list[Row]:
    """Return what is to be recorded before anything is sent: what waits, and what never goes."""
    rows = [_row(target, *pair, now=now) for pair in _new(decisions)]
    return [
        row
        | {
            "attempts": decisions.attempts.get(
                (row["anomaly_id"], row["state"], row["revision"]), 0
            )
        }
        for row in rows
    ]


def _new(decisions: Decisions) -> Iterator[tuple[Alert, str, str | None]]:
    """What the outbox does not say yet: alert, outcome, reason."""
    for alert, reason in decisions.suppress:
        yield alert, "suppressed", reason
    for alert, reason in decisions.hold:
        if decisions.waiting.get(alert.key) != reason:
            yield alert, "pending", reason
    for alert in decisions.send:
        if alert.key not in decisions.waiting:
            yield alert, "pending", None


def left_over(
    target: str, decisions: Decisions, settled: frozenset[Key], reason: str, now: dt.datetime
) -> list[Row]:
    """Return the rows of what was to be sent and was neither taken nor refused, with the reason."""
    return [
        _row(
            target, alert, "pending", reason, attempts=decisions.attempts.get(alert.key, 0), now=now
        )
        for alert in decisions.send
        if alert.key not in settled and decisions.waiting.get(alert.key) != reason
    ]


def _row(
    target: str,
    alert: Alert,
    outcome: str,
    reason: str | None,
    *,
    now: dt.datetime,
    attempts: int = 0,
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
        self.lake.store.delete_all(paths)

    def _entry(self, path: str) -> list[Row]:
        try:
            found: list[Row] = json.loads(self.lake.store.read(path))
        except FileNotFoundError:
            return []  # folded by a process that took the lease for abandoned
        return found
