"""Anomalies as messages to an SNS topic: readable text, JSON, and attributes to filter by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import aws as amazon
from ctanalytics import untrusted
from ctanalytics.aws_errors import EMIT, aws_errors, throttled
from ctanalytics.emitters.base import Alert, Outcome, Outside, Run, batched
from ctanalytics.emitters.document import SCHEMA
from ctanalytics.emitters.message import ascii_line, body, subject
from ctanalytics.emitters.refusal import refused_whole
from ctanalytics.errors import UsageError
from ctanalytics.settings import Aws

ENTRIES: Final = 5
"""Of one PublishBatch. AWS takes 10; a kill right after a call repeats its messages, and so half."""
MAX_BYTES: Final = 262_144  # of one batch, and so of one message: bodies and attributes
_RESERVE: Final = 2_048  # of a message: its attributes (at most 10 x 130), subject and id
_ARN = re.compile(
    r"arn:[a-z-]+:sns:(?P<region>[a-z0-9-]+):\d{12}:(?P<name>[A-Za-z0-9_-]{1,256}(?:\.fifo)?)"
)


@dataclass(frozen=True, slots=True)
class Sns:
    """A topic."""

    arn: str
    aws: Aws

    @classmethod
    def open(cls, address: str, outside: Outside) -> Sns:
        """Return the emitter of a topic."""
        if not _ARN.fullmatch(address):
            raise UsageError(
                "this is no ARN of an SNS topic",
                where=f"sns:{address}",
                mend="write sns:arn:PARTITION:sns:REGION:ACCOUNT:TOPIC; `aws sns list-topics` shows the ARN",
            )
        return cls(address, outside.aws)

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"sns:{self.arn}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        return batched(
            alerts, lambda one: _size(self._entry(one, 0)), most=ENTRIES, most_bytes=MAX_BYTES
        )

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        from botocore.exceptions import ClientError

        entries: Any = [self._entry(alert, place) for place, alert in enumerate(alerts)]
        with aws_errors(self.target, EMIT):
            try:
                answer = self._client().publish_batch(
                    TopicArn=self.arn, PublishBatchRequestEntries=entries
                )
            except ClientError as error:
                return [refused_whole(error, alone=len(alerts) == 1)] * len(alerts)
        by_id = {entry["Id"]: _accepted(entry) for entry in answer.get("Successful", [])}
        by_id |= {entry["Id"]: _failed(entry) for entry in answer.get("Failed", [])}
        unheard = Outcome("retry", "SNS said nothing about it")
        return [by_id.get(entry["Id"], unheard) for entry in entries]

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        calls = sum(1 for _ in self.batches(alerts))
        return f"would publish {len(alerts)} messages in {calls} calls"

    def _entry(self, alert: Alert, place: int) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "Id": f"e{place}",
            "Message": body(alert, MAX_BYTES - _RESERVE),
            "Subject": subject(alert),
            "MessageAttributes": _attributes(alert),
        }
        if self.arn.endswith(".fifo"):
            # One anomaly's states arrive in their order; others don't wait for it.
            entry["MessageGroupId"] = alert.anomaly_id
            entry["MessageDeduplicationId"] = alert.alert_id
        return entry

    def _client(self) -> Any:
        match = _ARN.fullmatch(self.arn)
        return amazon.client("sns", self.aws, region=match["region"] if match else None)


def _attributes(alert: Alert) -> dict[str, dict[str, str]]:
    """At most ten, or SQS with raw delivery would drop the message."""
    account = alert.account
    texts = {
        "severity": alert.severity,
        "detector": alert.detector,
        "account_id": alert.account_id,
        "account_name": account.account_name if account else None,
        "environment": account.environment if account else None,
        "region": alert.aws_region,
        "event_source": alert.event_source,
        "state": alert.state,
        "schema": SCHEMA,
    }
    found = {
        name: {"DataType": "String", "StringValue": ascii_line(text, 100)}
        for name, text in texts.items()
        if text
    }
    score = min(max(alert.score, -1e9), 1e9)  # the range of SNS, with five decimals
    found["score"] = {"DataType": "Number", "StringValue": f"{score:.5f}"}
    return found


def _size(entry: dict[str, Any]) -> int:
    """Bytes that count against the limit, and a few that may not."""
    attributes = sum(
        len(name) + len(value["DataType"]) + len(value["StringValue"])
        for name, value in entry["MessageAttributes"].items()
    )
    return len(entry["Message"].encode()) + attributes + len(entry["Subject"]) + 100


def _accepted(entry: Any) -> Outcome:
    return Outcome("sent", message_id=entry.get("MessageId"))


def _failed(entry: Any) -> Outcome:
    code = str(entry.get("Code", ""))
    reason = untrusted.one_line(f"{code}: {entry.get('Message') or 'no reason given'}")
    again = throttled(code) or not entry.get("SenderFault", True)
    return Outcome("retry" if again else "refused", reason)
