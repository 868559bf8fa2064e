"""An SQS queue: its messages are received, kept from others while worked on, and deleted."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from ctanalytics import aws as amazon
from ctanalytics import settings
from ctanalytics.aws_errors import SOURCE, aws_errors
from ctanalytics.errors import SourceError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

BATCH: Final = 10
"""Messages of one request, at most; SQS's own limit."""

_LONGEST_HIDDEN: Final = 12 * 3600
_THREADS: Final = 8
_REGION: Final = re.compile(r"(?:sqs\.)?(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d{1,2})\.")


@dataclass(frozen=True, slots=True)
class Message:
    """A message in our hands."""

    id: str
    """The same at every delivery."""
    receipt: str
    """Of this delivery: what deletes or hides it."""
    body: str
    received: int
    """How often it was delivered, this time included."""
    sent_at: dt.datetime | None


@dataclass
class Queue:
    """A queue by its URL.

    Raises:
        UsageError: the URL is none.
    """

    url: str
    aws: settings.Aws
    _region: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("https", "http") or parts.path.count("/") < 2:
            raise UsageError(
                "this is no URL of an SQS queue",
                where=self.url,
                mend="https://sqs.REGION.amazonaws.com/ACCOUNT/NAME, as `aws sqs list-queues` shows it",
            )
        named = _REGION.match(parts.hostname or "")
        self._region = named["region"] if named else ""

    @property
    def name(self) -> str:
        """The queue's name, the last part of its URL."""
        return urlsplit(self.url).path.rstrip("/").rpartition("/")[2]

    def receive(self, *, hidden_seconds: int, wait_seconds: int) -> list[Message]:
        """Take at most BATCH messages, waiting for the first.

        Raises:
            SourceMissing, SourceDenied, SourceError: the queue can't be read.
        """
        with aws_errors(self.url, SOURCE):
            answer = self._client().receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=hidden_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [_message(found) for found in answer.get("Messages", [])]

    def receive_many(self, *, hidden_seconds: int, wait_seconds: int) -> Iterator[list[Message]]:
        """Take what several requests at once give: of a full queue some hundred messages a second."""
        with ThreadPoolExecutor(_THREADS) as pool:
            asked = [
                pool.submit(self.receive, hidden_seconds=hidden_seconds, wait_seconds=wait_seconds)
                for _ in range(_THREADS)
            ]
            for future in asked:
                yield future.result()

    def delete(self, messages: Iterable[Message]) -> None:
        """Delete messages; what can't be deleted any more comes again.

        Raises:
            SourceError: the queue can't be reached.
        """

        def of(batch: Sequence[Message]) -> None:
            self._client().delete_message_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(place), "ReceiptHandle": message.receipt}
                    for place, message in enumerate(batch)
                ],
            )

        self._in_batches(of, messages)

    def hide(self, messages: Iterable[Message], seconds: int) -> None:
        """Keep messages from being delivered again for so long from now; 0: not at all.

        Raises:
            SourceError: the queue can't be reached.
        """

        def of(batch: Sequence[Message]) -> None:
            self._client().change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {
                        "Id": str(place),
                        "ReceiptHandle": message.receipt,
                        "VisibilityTimeout": min(seconds, _LONGEST_HIDDEN),
                    }
                    for place, message in enumerate(batch)
                ],
            )

        self._in_batches(of, messages)

    def waiting(self) -> int:
        """Return about how many messages can be received now."""
        with aws_errors(self.url, SOURCE):
            answer = self._client().get_queue_attributes(
                QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _in_batches(
        self, call: Callable[[Sequence[Message]], None], messages: Iterable[Message]
    ) -> None:
        waiting = iter(messages)
        batches = iter(lambda: list(islice(waiting, BATCH)), [])
        with aws_errors(self.url, SOURCE), ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(call, batches):
                pass

    def _client(self) -> SQSClient:
        return amazon.client("sqs", self.aws, region=self._region or None, connections=2 * _THREADS)


@dataclass
class Held:
    """Messages that are worked on: a thread keeps them from being delivered to others."""

    queue: Queue
    hidden_seconds: int
    """For so long a message is hidden when its holder dies."""
    _messages: dict[str, Message] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _keeper: threading.Thread | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give back what is left, so that whoever comes next need not wait for it."""
        self._stop.set()
        if self._keeper is not None:
            self._keeper.join()
        with contextlib.suppress(SourceError):
            self.queue.hide(self.all(), 0)

    def all(self) -> list[Message]:
        """Return the messages, in the order they came."""
        with self._lock:
            return list(self._messages.values())

    def add(self, messages: Iterable[Message]) -> None:
        """Take messages in; the newest delivery of one counts."""
        with self._lock:
            self._messages.update((message.id, message) for message in messages)

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages whose work is done.

        Raises:
            SourceError: the queue can't be reached; they are still held.
        """
        self.queue.delete(messages)
        self._drop(messages)

    def put_back(self, messages: Sequence[Message]) -> None:
        """Let messages come again later: the more often they came, the later, up to an hour."""
        by_delay: dict[int, list[Message]] = {}
        for message in messages:
            delay = min(3600, 30 * 2 ** min(message.received, 10))
            by_delay.setdefault(delay, []).append(message)
        self._drop(messages)
        for delay, some in by_delay.items():
            self.queue.hide(some, delay)

    def _drop(self, messages: Iterable[Message]) -> None:
        with self._lock:
            for message in messages:
                self._messages.pop(message.id, None)

    def _keep(self) -> None:
        while not self._stop.wait(self.hidden_seconds / 3):
            # They stay hidden through two renewals that fail.
            with contextlib.suppress(SourceError):
                self.queue.hide(self.all(), self.hidden_seconds)


def _message(found: Any) -> Message:
    attributes = found.get("Attributes", {})
    sent = attributes.get("SentTimestamp")
    return Message(
        id=found["MessageId"],
        receipt=found["ReceiptHandle"],
        body=found["Body"],
        received=int(attributes.get("ApproximateReceiveCount", 1)),
        sent_at=dt.datetime.fromtimestamp(int(sent) / 1000, dt.UTC) if sent else None,
    )
