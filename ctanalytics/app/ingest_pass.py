"""One pass of an ingest: what is listed now, then what the queue announces."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from ctanalytics.app import (
    ingest_estimate,
    ingest_lists,
    ingest_lookup,
    ingest_queue,
    ingest_relist,
)
from ctanalytics.app.ingest_lists import Lists
from ctanalytics.app.ingest_result import Agree, IngestResult, Report, result
from ctanalytics.app.ingest_run import Run
from ctanalytics.engines.executor import Executor, chosen
from ctanalytics.engines.local import cores
from ctanalytics.errors import LakeMissing, SourceDenied, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings
from ctanalytics.sources import archives
from ctanalytics.sources.base import Selection, Source, open_source
from ctanalytics.sources.folder import FolderSource
from ctanalytics.sources.lookup import LookupSource
from ctanalytics.sources.queue import Held, Queue
from ctanalytics.sources.s3 import S3Source

_DRAIN_SECONDS = 3  # a queue that gives nothing for so long is empty


@dataclass
class Order:
    """What to ingest, and how; the same in every pass."""

    sources: Sequence[str]
    selection: Selection
    settings: Settings
    queue: str = ""
    lists: Lists = field(default_factory=Lists)
    """What stands in place of listing the sources."""
    retry: bool = False
    reingest: bool = False
    dry_run: bool = False
    follow: bool = False
    denied_until: dict[str, dt.datetime] = field(default_factory=dict)
    """Sources that may not be listed, which the queue can do without, and when to try again."""


@contextmanager
def opened(
    order: Order,
    lake: str | Lake,
    executor: Executor | None,
    progress: Report | None,
    agree: Agree | None,
) -> Iterator[tuple[Run, Held | None]]:
    """Open the lake, the workers and the queue for the length of a with block.

    Raises:
        UsageError: a source or the queue is none, or the queue's buckets are not named.
        LakeError: the lake can't be opened.
    """
    settings = order.settings
    sources = [open_source(text, settings.source_aws) for text in order.sources]
    queue = Queue(order.queue, settings.source_aws) if order.queue else None
    if queue and not any(isinstance(source, S3Source) for source in sources):
        raise UsageError(
            "no bucket is named whose objects the queue may announce",
            where="--queue",
            mend="name it as a source: `ctanalytics ingest s3://BUCKET --queue URL`; objects of "
            "other buckets are never read, whatever a message says",
        )
    here = lake if isinstance(lake, Lake) else _lake(lake, settings, dry_run=order.dry_run)
    with ExitStack() as stack:
        if executor is None:
            executor = stack.enter_context(chosen(settings.execution, settings.ingest.workers))
        run = Run(
            here,
            settings,
            executor,
            retry=order.retry,
            reingest=order.reingest,
            dry_run=order.dry_run,
            progress=progress,
            agree=agree,
        )
        held = None
        if queue:
            held = stack.enter_context(Held(queue, settings.ingest.queue_hidden_seconds))
        yield run, held


def _lake(uri: str, settings: Settings, *, dry_run: bool) -> Lake | None:
    if not dry_run:
        return Lake.create(uri, settings.lake_aws)
    try:
        return Lake.open(uri, settings.lake_aws)
    except LakeMissing:
        return None


def once(
    run: Run,
    held: Held | None,
    order: Order,
    now: dt.datetime,
    *,
    listing: bool = True,
) -> IngestResult:
    """Make one pass.

    Args:
        listing: False: only the queue is asked. With `order.follow` one gathering of messages is a
            pass, else the queue is emptied.

    Raises:
        SourceError: a source can't be listed or read; what was begun is finished by the next pass.
        LakeError: the lake can't be written.
    """
    started = time.monotonic()
    run.begin()
    sources = [open_source(text, order.settings.source_aws) for text in order.sources]
    if listing:
        run.settle()
        for source in sources:
            _list(run, source, order, now, queue=held is not None)
    if held and order.dry_run:
        run.notes.append(f"about {held.queue.waiting():,} messages wait in the queue")
    elif held:
        buckets = [source for source in sources if isinstance(source, S3Source)]
        wait = order.settings.ingest.queue_wait_seconds
        wait = wait if order.follow else min(wait, _DRAIN_SECONDS)
        while ingest_queue.take(run, held, buckets, order.selection, wait_seconds=wait):
            if order.follow:
                break
    done = result(run.counts, run.place, sources, run.notes, time.monotonic() - started)
    return replace(done, estimate=_estimate(run, sources)) if order.dry_run else done


def _is_read(run: Run, path: str, etag: str) -> bool:
    """Tell whether all members of an archive were read before."""
    return run.known is not None and run.known.is_complete("file", path, etag, archives.MARK)


def _list(run: Run, source: Source, order: Order, now: dt.datetime, *, queue: bool) -> None:
    if order.lists:
        ingest_lists.take(run, source, order.lists, order.selection, now)
        return
    if isinstance(source, LookupSource):
        ingest_lookup.take(run, source, order.selection, now)
        return
    if isinstance(source, FolderSource) and not (order.retry or order.reingest):
        source = replace(source, is_read=partial(_is_read, run))
    if order.reingest or not isinstance(source, S3Source):
        run.take(source, source.list(order.selection))
        return
    if order.denied_until.get(source.name, now) > now:
        return
    how = ingest_relist.decide(
        source,
        run.place,
        order.selection,
        order.settings.ingest,
        now,
        eager=not order.follow,
        retry=order.retry,
    )
    if queue and how.is_hot:
        return  # what is new, the queue tells
    if how.note:
        run.notes.append(how.note)
    try:
        run.take(source, ingest_relist.objects(source, how, run.place, retry=order.retry))
    except SourceDenied as error:
        if not queue:
            raise
        order.denied_until[source.name] = now + dt.timedelta(hours=1)
        run.notes.append(
            f"{source.name} can't be listed ({error.what}): what the queue misses is not found"
        )
        return
    if run.place and not order.dry_run:
        ingest_relist.done(source, how, run.place)


def _estimate(run: Run, sources: Sequence[Source]) -> ingest_estimate.Estimate:
    return ingest_estimate.of_ingest(
        objects=run.counts.todo,
        size=run.counts.todo_bytes,
        lists=sum(source.requests.lists for source in sources),
        in_s3=any(isinstance(source, S3Source) for source in sources),
        workers=run.settings.ingest.workers or cores(),
    )
