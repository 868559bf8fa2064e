"""Alerts as events on an EventBridge bus, for rules that start whatever answers them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import aws as amazon
from ctanalytics import untrusted
from ctanalytics.aws_errors import EMIT, aws_errors, throttled
from ctanalytics.emitters.base import Alert, Outcome, Outside, Run, batched
from ctanalytics.emitters.document import fitting
from ctanalytics.emitters.refusal import refused_whole
from ctanalytics.errors import UsageError
from ctanalytics.settings import Aws

MAX_ENTRIES: Final = 10  # of one PutEvents
MAX_BYTES: Final = 262_144  # of one PutEvents; newer pages say 1 MB, which not all regions take
SOURCE: Final = "ctanalytics"
_TIME_BYTES: Final = 14  # that a time counts
_RESOURCE_BYTES: Final = 2_048
_BUS = re.compile(
    r"(?:arn:[a-z-]+:events:(?P<region>[a-z0-9-]+):\d{12}:event-bus/)?[.\-_/A-Za-z0-9]{1,256}"
)
_TYPES: Final = {"test": "ctanalytics Test", "summary": "ctanalytics Summary"}


@dataclass(frozen=True, slots=True)
class EventBridge:
    """A bus, by its name or ARN."""

    bus: str
    aws: Aws

    @classmethod
    def open(cls, address: str, outside: Outside) -> EventBridge:
        """Return the emitter of a bus."""
        if not _BUS.fullmatch(address):
            raise UsageError(
                "this is no name and no ARN of an event bus",
                where=f"eventbridge:{address}",
                mend="eventbridge:default, or as `aws events list-event-buses` shows it",
            )
        return cls(address, outside.aws)

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"eventbridge:{self.bus}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        return batched(
            alerts, lambda one: _size(self._entry(one)), most=MAX_ENTRIES, most_bytes=MAX_BYTES
        )

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        from botocore.exceptions import ClientError

        match = _BUS.fullmatch(self.bus)
        client = amazon.client("events", self.aws, region=match["region"] if match else None)
        with aws_errors(self.target, EMIT):
            try:
                answer = client.put_events(Entries=[self._entry(alert) for alert in alerts])
            except ClientError as error:
                return [refused_whole(error, alone=len(alerts) == 1)] * len(alerts)
        answers = answer.get("Entries", [])
        if len(answers) != len(alerts):
            return [Outcome("retry", "EventBridge did not answer for each event")] * len(alerts)
        return [_outcome(entry) for entry in answers]

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        calls = sum(1 for _ in self.batches(alerts))
        return f"would put {len(alerts)} events in {calls} calls"

    def _entry(self, alert: Alert) -> dict[str, Any]:
        kind = "CloudTrail Anomaly" if alert.incident is None else "CloudTrail Incident"
        entry: dict[str, Any] = {
            "Time": alert.detected_at,
            "Source": SOURCE,
            "DetailType": _TYPES.get(alert.kind, kind),
            "Detail": fitting(alert, MAX_BYTES - _RESOURCE_BYTES - 256),
            "EventBusName": self.bus,
        }
        arn = alert.principal_arn or ""
        if arn.startswith("arn:") and len(arn.encode()) <= _RESOURCE_BYTES:
            entry["Resources"] = [arn]
        return entry


def _size(entry: dict[str, Any]) -> int:
    """Bytes of an entry, as EventBridge counts them."""
    texts = [entry["Source"], entry["DetailType"], entry["Detail"], *entry.get("Resources", [])]
    return _TIME_BYTES + sum(len(text.encode()) for text in texts)


def _outcome(entry: Any) -> Outcome:
    code = entry.get("ErrorCode")
    if not code:
        return Outcome("sent", message_id=entry.get("EventId"))
    reason = untrusted.one_line(f"{code}: {entry.get('ErrorMessage') or 'no reason given'}")
    return Outcome("retry" if throttled(code) else "refused", reason)
