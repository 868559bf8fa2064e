"""Alerts as events of a CloudWatch Logs group, for Logs Insights, subscriptions and exports."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import aws as amazon
from ctanalytics.aws_errors import EMIT, aws_errors
from ctanalytics.emitters.base import Alert, Outcome, Outside, Run, batched
from ctanalytics.emitters.document import fitting
from ctanalytics.emitters.refusal import refused_whole
from ctanalytics.errors import UsageError
from ctanalytics.settings import Aws

MAX_EVENTS: Final = 10_000  # of one PutLogEvents
MAX_BYTES: Final = 1_048_576  # of one PutLogEvents, with what each event counts beside its text
EVENT_BYTES: Final = 26  # that an event counts beside its text
MAX_EVENT_BYTES: Final = 262_144 - EVENT_BYTES  # AWS has come to allow 1 MB, but not everywhere
STREAM: Final = "ctanalytics"
_FRESH: Final = dt.timedelta(hours=23)
_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")


@dataclass(frozen=True, slots=True)
class Logs:
    """A log group, which has to be there; its stream `ctanalytics` is made when it is missing."""

    group: str
    aws: Aws

    @classmethod
    def open(cls, address: str, outside: Outside) -> Logs:
        """Return the emitter of a log group."""
        if not _GROUP.fullmatch(address):
            raise UsageError(
                "this can't be a log group",
                where=f"logs:{address}",
                mend="logs:NAME, 1-512 letters, digits and . - _ / #",
            )
        return cls(address, outside.aws)

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"logs:{self.group}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`; in the order of time, as a call wants them."""
        now = dt.datetime.now(dt.UTC)
        return batched(
            sorted(alerts, key=lambda one: (_time(one, now), one.key)),
            lambda one: len(fitting(one, MAX_EVENT_BYTES)) + EVENT_BYTES,
            most=MAX_EVENTS,
            most_bytes=MAX_BYTES,
        )

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        from botocore.exceptions import ClientError

        with aws_errors(self.target, EMIT):
            try:
                rejected = self._put(alerts)
            except ClientError as error:
                return [refused_whole(error, alone=len(alerts) == 1)] * len(alerts)
        return [
            Outcome("refused", rejected[place]) if place in rejected else Outcome("sent")
            for place in range(len(alerts))
        ]

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        calls = sum(1 for _ in self.batches(alerts))
        return f"would log {len(alerts)} events in {calls} calls"

    def _put(self, alerts: Sequence[Alert]) -> dict[int, str]:
        """Make the call; returns which events AWS dropped, by their places, and why."""
        client = amazon.client("logs", self.aws)
        now = dt.datetime.now(dt.UTC)
        # A stable sort keeps the order of the batch, which was made some moments ago.
        places = sorted(range(len(alerts)), key=lambda place: _time(alerts[place], now))
        events = [
            {
                "timestamp": int(_time(alerts[place], now).timestamp() * 1_000),
                "message": fitting(alerts[place], MAX_EVENT_BYTES),
            }
            for place in places
        ]
        call: Any = {"logGroupName": self.group, "logStreamName": STREAM, "logEvents": events}
        try:
            answer = client.put_log_events(**call)
        except client.exceptions.ResourceNotFoundException:
            self._make_stream(client)
            answer = client.put_log_events(**call)
        rejected = _rejected(answer.get("rejectedLogEventsInfo") or {}, len(alerts))
        return {places[place]: reason for place, reason in rejected.items()}

    def _make_stream(self, client: Any) -> None:
        # Another run may make it too.
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_stream(logGroupName=self.group, logStreamName=STREAM)


def _rejected(info: dict[str, int], count: int) -> dict[int, str]:
    """Which events of a call AWS dropped, though it said that all is well."""
    too_old = max(info.get("tooOldLogEventEndIndex", 0), info.get("expiredLogEventEndIndex", 0))
    found = dict.fromkeys(range(too_old), "CloudWatch Logs calls it too old: check the clock")
    too_new = info.get("tooNewLogEventStartIndex", count)
    found |= dict.fromkeys(
        range(too_new, count), "CloudWatch Logs calls it too new: check the clock"
    )
    return found


def _time(alert: Alert, now: dt.datetime) -> dt.datetime:
    """When it was detected, unless a group that keeps a day would drop it: then now.

    So all events of a call lie within the 24 hours that AWS allows.
    """
    is_fresh = now - _FRESH <= alert.detected_at <= now
    return alert.detected_at if is_fresh else now
