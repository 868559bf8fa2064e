"""Follow: ingest pass after pass, for as long as the caller wants more."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final

from ctanalytics.app.ingest_pass import Order, once, opened
from ctanalytics.app.ingest_result import Agree, IngestResult, Report
from ctanalytics.errors import (
    CtanalyticsError,
    LakeError,
    LakeMissing,
    LakeNewer,
    LakeUnsafe,
    SourceError,
)
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings
from ctanalytics.sources.base import Selection

_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0
_FOR_GOOD: Final = (LakeMissing, LakeNewer, LakeUnsafe)

Clock = Callable[[], dt.datetime]


@dataclass(frozen=True, slots=True)
class Setback:
    """A pass that failed; what it had begun is finished by a later one."""

    error: CtanalyticsError
    retry_in_seconds: float


def follow(
    sources: Sequence[str],
    lake: str | Lake,
    *,
    settings: Settings | None = None,
    selection: Selection | None = None,
    queue: str = "",
    progress: Report | None = None,
    agree: Agree | None = None,
    clock: Clock = lambda: dt.datetime.now(dt.UTC),
    pause: Callable[[float], None] = time.sleep,
) -> Generator[IngestResult | Setback]:
    """Ingest what is there and then what comes, until the iterator is closed.

    With a queue a pass is what its messages announce in some seconds, and the buckets are listed
    once a day for what the queue missed. Without one, all sources are listed every
    `ingest.follow_seconds`. Only passes in which there was something, or a listing, are yielded.

    Args:
        clock: tells the time, by which days are listed.
        pause: waits between two passes, in seconds.

    Raises:
        CtanalyticsError: the first pass failed, or the lake can't be used at all; a later failure
            is yielded as a Setback, and tried again after a pause that doubles up to 5 minutes.
    """
    settings = settings or Settings()
    order = Order(sources, selection or Selection(), settings, queue=queue, follow=True)
    failures = 0
    first = True
    due = clock()
    with opened(order, lake, None, progress, agree) as (run, held):
        while True:
            now = clock()
            listing = now >= due
            try:
                found = once(run, held, order, now, listing=listing)
            except (SourceError, LakeError) as error:
                if first or isinstance(error, _FOR_GOOD):
                    raise
                failures += 1
                seconds = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10))
                seconds *= random.uniform(0.5, 1.0)
                yield Setback(error, round(seconds, 1))
                pause(seconds)
                continue
            first, failures = False, 0
            if listing:
                due = now + dt.timedelta(seconds=settings.ingest.follow_seconds)
            if found.objects_listed or found.messages_received or found.list_requests:
                yield found
            if held is None:
                pause(max(0.0, (due - clock()).total_seconds()))
