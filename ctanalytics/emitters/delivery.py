"""The calls to one target: paced, patient with a busy one, each journaled before the next."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ctanalytics import aws as amazon
from ctanalytics.emitters.base import Alert, Emitter, Key, Outcome
from ctanalytics.emitters.outbox import Row, answered

BUSY_TRIES: Final = 6
"""Calls with the same alerts while a target answers that it is busy."""

LONGEST_WAIT_SECONDS: Final = 60.0
"""That a target may ask for; who wants more gets the rest in the next run."""


@dataclass
class Tally:
    """Counts of one delivery."""

    sent: int = 0
    refused: int = 0
    messages: int = 0
    """Of those sent; a summary is one."""
    last_reason: str = ""
    settled: set[Key] = field(default_factory=set)
    """Taken or refused."""


@dataclass
class Pace:
    """At most so many calls in a second, and pauses that grow while a target is busy.

    Args:
        calls_per_second: 0 for no limit.
        clock: seconds that never go back.
        sleep: waits for so many seconds.
    """

    calls_per_second: float = 0.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)
    _next: float = 0.0

    def before_call(self) -> None:
        """Wait until the next call may be made."""
        if not self.calls_per_second:
            return
        now = self.clock()
        if now < self._next:
            self.sleep(self._next - now)
        self._next = max(now, self._next) + 1 / self.calls_per_second

    def after_busy(self, number: int, asked_seconds: float = 0.0) -> None:
        """Wait before try `number + 1`, at least for what the target asked.

        Jitter on top keeps those that were turned away together from coming back together.
        """
        if asked_seconds:
            self.sleep(asked_seconds + random.uniform(0, asked_seconds / 4))
        else:
            amazon.pause(number, sleep=self.sleep)


def deliver(
    emitter: Emitter,
    alerts: Sequence[Alert],
    attempts: Mapping[Key, int],
    journal: Callable[[list[Row]], None],
    *,
    tally: Tally,
    now: dt.datetime,
    pace: Pace | None = None,
) -> None:
    """Send alerts, journaling each call's outcomes before the next call.

    A busy target is asked again with what it didn't take; when it is busy in all tries, the rest
    is left to the next run.

    Args:
        attempts: by alert, runs before this one in which it was refused.

    Raises:
        EmitError: the target as a whole can't be reached; `tally` holds what was done before.
    """
    pace = pace or Pace()
    calls: deque[tuple[Sequence[Alert], int]] = deque(
        (batch, 1) for batch in emitter.batches(alerts)
    )
    while calls:
        batch, number = calls.popleft()
        pace.before_call()
        outcomes = list(zip(batch, emitter.send(batch), strict=True))
        settled = [pair for pair in outcomes if pair[1].verdict in ("sent", "refused")]
        if settled:
            journal(
                [row for pair in settled for row in answered(emitter.target, *pair, attempts, now)]
            )
        _count(tally, outcomes)
        apart = [alert for alert, outcome in outcomes if outcome.verdict == "apart"]
        calls.extendleft(([alert], 1) for alert in reversed(apart))
        busy = [(alert, outcome) for alert, outcome in outcomes if outcome.verdict == "retry"]
        asked = max((outcome.wait_seconds for _, outcome in busy), default=0.0)
        if busy and (number == BUSY_TRIES or asked > LONGEST_WAIT_SECONDS):
            return  # it has enough for now
        if busy:
            pace.after_busy(number, asked)
            calls.appendleft(([alert for alert, _ in busy], number + 1))


def _count(tally: Tally, outcomes: Sequence[tuple[Alert, Outcome]]) -> None:
    for alert, outcome in outcomes:
        told = alert.stands_for or (alert,)
        tally.last_reason = outcome.reason or tally.last_reason
        if outcome.verdict in ("sent", "refused"):
            tally.settled |= {one.key for one in told}
        if outcome.verdict == "sent":
            tally.sent += len(told)
            tally.messages += 1
        elif outcome.verdict == "refused":
            tally.refused += len(told)
