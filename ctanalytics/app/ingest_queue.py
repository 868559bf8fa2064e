"""Ingest what a queue announces: a message is deleted when the ledger says its objects are in.

Nothing about a message is kept but in the queue and in the ledger. A crash anywhere lets it come
again; then the ledger knows its objects, and it is deleted.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from ctanalytics.app.ingest_part import listed
from ctanalytics.app.ingest_run import Run
from ctanalytics.lake.ledger import Known
from ctanalytics.records import object_key
from ctanalytics.sources import notifications
from ctanalytics.sources.base import LogObject, Selection
from ctanalytics.sources.notifications import Announced, NotANoticeError
from ctanalytics.sources.queue import Held, Message, Queue
from ctanalytics.sources.s3 import S3Source

BUCKET: Final = "sqs"
"""What the ledger has as the bucket of a message that is set aside."""

_READ: Final = frozenset(("ingested", "partial", "quarantined", "empty", "skipped"))
_SETTLED: Final = _READ | {"archived", "gone"}
_PROBE_FILE: Final = "ConfigWritabilityCheckFile"
_HEADS: Final = 16  # requests at a time
_PARKED_AT_ONCE: Final = 20  # messages of at most 1 MiB in one plan


@dataclass
class _Work:
    """A message, and what it comes to for us."""

    message: Message
    announced: list[tuple[S3Source, Announced]] = field(default_factory=list)
    fault: str = ""
    objects: list[dict[str, Any]] = field(default_factory=list)
    """As the ledger and plans have them."""


def take(
    run: Run,
    held: Held,
    sources: Sequence[S3Source],
    selection: Selection,
    *,
    wait_seconds: int,
) -> bool:
    """Take messages of some seconds and ingest what they announce; False when none came.

    Args:
        held: messages of a pass that failed are in it still, and come first.
        sources: only what lies in them is read, whatever a message says.
        wait_seconds: for the first message.

    Raises:
        SourceError: the queue or a bucket can't be reached; the messages are held, none is lost.
    """
    if not held.all():
        _gather(run, held, wait_seconds)
    messages = held.all()
    if not messages:
        return False
    run.counts.received += len(messages)
    run.settle()
    work = [_understood(message, sources, selection) for message in messages]
    _look(run, work)
    _read(run, work)
    _park(run, held.queue, [one for one in work if one.fault])
    _answer(run, held, work)
    return True


def _gather(run: Run, held: Held, wait_seconds: int) -> None:
    limits = run.settings.ingest
    hidden = limits.queue_hidden_seconds
    held.add(held.queue.receive(hidden_seconds=hidden, wait_seconds=wait_seconds))
    until = time.monotonic() + limits.queue_gather_seconds
    came = len(held.all())
    while came and time.monotonic() < until and len(held.all()) < limits.plan_objects:
        came = 0
        soon = min(1, wait_seconds)
        for messages in held.queue.receive_many(hidden_seconds=hidden, wait_seconds=soon):
            held.add(messages)
            came += len(messages)


def _understood(message: Message, sources: Sequence[S3Source], selection: Selection) -> _Work:
    """Read a message; what it names outside of the sources is never read."""
    work = _Work(message)
    try:
        notice = notifications.read(message.body)
    except NotANoticeError as error:
        work.fault = str(error)
        return work
    work.fault = notice.fault
    for found in notice.objects:
        source = next((one for one in sources if one.holds(found.bucket, found.key)), None)
        if source is None and all(found.bucket != one.bucket for one in sources):
            work.fault = "it names a bucket that is not among the sources"
        elif source is not None and _is_wanted(found.key, selection):
            work.announced.append((source, found))
    return work


def _is_wanted(key: str, selection: Selection) -> bool:
    parsed = object_key.parse(key)
    # Not by its day: nobody would hear of the object again.
    return (
        (parsed.kind == "unknown" or parsed.kind in selection.kinds)
        and not key.endswith(_PROBE_FILE)
        and selection.takes_account(parsed.account_id)
        and selection.takes_region(parsed.aws_region)
    )


def _look(run: Run, work: Sequence[_Work]) -> None:
    """Find out of each announced object what it is, of most by the message alone."""
    keys = [
        {"bucket": found.bucket, "key": found.key, "etag": found.etag}
        for one in work
        for _, found in one.announced
    ]
    known = iter(run.known.states(keys) if run.known else [None] * len(keys))
    asked: list[tuple[_Work, S3Source, Announced]] = []
    for one in work:
        for source, found in one.announced:
            word = next(known)
            if _has_to_be_asked(found, one.message, word, run.settings.ingest.max_object_bytes):
                asked.append((one, source, found))
            else:
                one.objects.append(listed(_object(found, one.message)))
    with ThreadPoolExecutor(_HEADS) as pool:
        heads = pool.map(lambda ask: ask[1].head(ask[2].key), asked)
        for (one, _, found), head in zip(asked, heads, strict=True):
            one.objects.append(listed(head or _object(found, one.message, etag="")))


def _has_to_be_asked(found: Announced, message: Message, word: Known | None, limit: int) -> bool:
    """Whether S3 has to tell what an object is.

    A trail's own topic gives no ETag. A message that came before may be about an object that was
    replaced. Sizes that would keep an object from being read are not taken from a message, which
    whoever may send to the queue can write.
    """
    if not found.etag:
        return word is None or word.state not in _READ
    if word is not None and word.state in _READ and word.has_etag:
        return False
    return message.received > 1 or not 0 < found.size_bytes <= limit


def _object(found: Announced, message: Message, etag: str | None = None) -> LogObject:
    return LogObject(
        bucket=found.bucket,
        key=found.key,
        etag=found.etag if etag is None else etag,
        size_bytes=found.size_bytes,
        last_modified=found.at or message.sent_at or dt.datetime.now(dt.UTC),
    )


def _read(run: Run, work: Sequence[_Work]) -> None:
    """Ingest the objects that are not in yet, each once."""
    places = {(found.bucket, found.key): source for one in work for source, found in one.announced}
    newest = {(found["bucket"], found["key"]): found for one in work for found in one.objects}
    words = run.known.states(list(newest.values())) if run.known else [None] * len(newest)
    # Without an ETag the key has to do: a trail never writes a file twice.
    objects = [
        found
        for found, word in zip(newest.values(), words, strict=True)
        if found["etag"] or word is None or word.state not in _READ
    ]
    todo = run.known.unknown(objects) if run.known else objects
    run.counts.listed += len(newest)
    run.counts.known += len(newest) - len(todo)
    by_source: dict[str, tuple[S3Source, list[dict[str, Any]]]] = {}
    for found in todo:
        source = places[found["bucket"], found["key"]]
        by_source.setdefault(source.name, (source, []))[1].append(found)
    for source, some in by_source.values():
        for group in run.grouped(some):
            run.take_objects(source, group)


def _park(run: Run, queue: Queue, work: Sequence[_Work]) -> None:
    """Keep what can't be understood in the lake, before it is deleted from the queue."""
    source = {"source": queue.url, "aws": msgspec.to_builtins(queue.aws)}
    for some in _batches(work, _PARKED_AT_ONCE):
        run.park(source, [_parked(queue, one) for one in some])


def _parked(queue: Queue, work: _Work) -> dict[str, Any]:
    message = work.message
    data = message.body.encode("utf-8", "backslashreplace")
    sent = message.sent_at or dt.datetime.now(dt.UTC)
    found = LogObject(
        bucket=BUCKET,
        key=f"{queue.name}/{message.id}",
        etag=hashlib.sha256(data).hexdigest()[:32],
        size_bytes=len(data),
        last_modified=sent,
    )
    return listed(found) | {"reason": work.fault, "body": message.body}


def _answer(run: Run, held: Held, work: Sequence[_Work]) -> None:
    """Delete the messages whose objects the ledger has; let the others come again."""
    objects = [found for one in work for found in one.objects]
    words = iter(run.known.states(objects) if run.known else [])
    done: list[_Work] = []
    again: list[_Work] = []
    for one in work:
        settled = [_is_settled(found, next(words)) for found in one.objects]
        (done if all(settled) else again).append(one)
    run.counts.ignored += sum(not one.objects and not one.fault for one in done)
    run.counts.kept += len(again)
    held.delete([one.message for one in done])
    held.put_back([one.message for one in again])


def _is_settled(found: dict[str, Any], word: Known | None) -> bool:
    if word is None or word.state not in _SETTLED:
        return False
    return word.state == "gone" or not found["etag"] or word.has_etag


def _batches(work: Iterable[_Work], size: int) -> Iterator[list[_Work]]:
    waiting = iter(work)
    return iter(lambda: list(islice(waiting, size)), [])
