"""Ask S3 to restore archived log files, so that a later ingest can read them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from ctanalytics.app import ingest_estimate
from ctanalytics.app.ingest_ahead import Ahead
from ctanalytics.app.ingest_estimate import Estimate
from ctanalytics.app.ingest_part import listed, log_object
from ctanalytics.app.ingest_result import Agree
from ctanalytics.errors import UsageError
from ctanalytics.lake import listings
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.ledger import Ledger
from ctanalytics.lake.listings import Awaited
from ctanalytics.records import object_key
from ctanalytics.settings import Settings
from ctanalytics.sources.base import Selection, open_source
from ctanalytics.sources.s3 import Restoring, S3Source

_THREADS: Final = 16
_AT_ONCE: Final = 1_000
_ALL: Final = 2**63
_SLOWEST: Final = dt.timedelta(hours=48)
"""What Bulk may take of DEEP_ARCHIVE."""


@dataclass(frozen=True)
class RestoreResult:
    """What was asked for."""

    objects_listed: int = 0
    objects_asked: int = 0
    objects_waiting: int = 0
    """Asked for before, and still on their way."""
    objects_restored: int = 0
    """Archived, with a copy that can be read now."""
    objects_refused: int = 0
    bytes_asked: int = 0
    list_requests: int = 0
    dollars: float = 0.0
    """What it costs, about."""
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether no request was refused."""
        return not self.objects_refused


def restore(
    sources: Sequence[str],
    lake: str | Lake,
    *,
    days: int,
    settings: Settings | None = None,
    selection: Selection | None = None,
    agree: Agree,
    now: dt.datetime | None = None,
) -> RestoreResult:
    """Ask S3 for readable copies of the archived objects of buckets.

    Args:
        lake: remembers which days are awaited, so that the next ingests list them.
        days: for so long the copies can be read.
        selection: which objects; all archived ones when it names no time.
        agree: asked before anything is restored, which costs; False: nothing is.

    Raises:
        UsageError: a source is no bucket, or it was not agreed to.
        SourceError: a bucket can't be listed.
    """
    settings = settings or Settings()
    selection = selection or Selection()
    now = now or dt.datetime.now(dt.UTC)
    here = lake if isinstance(lake, Lake) else Lake.create(lake, settings.lake_aws)
    opened = [open_source(text, settings.source_aws) for text in sources]
    counts: Counter[str] = Counter()
    estimates = []
    for source in opened:
        if not isinstance(source, S3Source):
            raise UsageError("only objects in S3 can be restored", where=source.name)
        sizes: _Sizes = {}
        with Ahead(_archived(source, selection, Ledger(here), counts, sizes), _ALL) as ahead:
            estimates.append(_agreed(source, ahead.count, sizes, settings, agree))
            coming = _ask(source, ahead, days, settings.ingest.restore_tier, counts)
        if coming:
            path = listings.path(source.name, selection.accounts, selection.regions)
            until = now + dt.timedelta(days=days) + _SLOWEST
            more = Awaited(first=min(coming), last=max(coming), until=until)
            listings.await_restore(here, path, more, now)
    return RestoreResult(
        objects_listed=counts["listed"],
        objects_asked=counts["asked"],
        objects_waiting=counts["waiting"],
        objects_restored=counts["restored"],
        objects_refused=counts["refused"],
        bytes_asked=counts["bytes"],
        list_requests=sum(source.requests.lists for source in opened),
        dollars=sum(estimate.dollars for estimate in estimates),
        notes=[note for source in opened for note in source.notes.texts],
    )


_Sizes = dict[str, tuple[int, int]]
"""Storage class -> objects, bytes."""


def _archived(
    source: S3Source,
    selection: Selection,
    known: Ledger,
    counts: Counter[str],
    sizes: _Sizes,
) -> Iterator[dict[str, Any]]:
    """Yield the objects that can't be read before a restore; count them by storage class."""
    for batch in source.list(selection):
        objects = [listed(obj) for obj in batch]
        counts["listed"] += len(objects)
        for found, word in zip(objects, known.states(objects), strict=True):
            # Of a tiered object only the ledger knows that it could not be read.
            tiered = found["storage_class"] == "INTELLIGENT_TIERING"
            if found["archived"] or (tiered and word is not None and word.state == "archived"):
                count, size = sizes.get(found["storage_class"], (0, 0))
                sizes[found["storage_class"]] = count + 1, size + found["size_bytes"]
                yield found
            elif found["restored"]:
                counts["restored"] += 1


def _agreed(
    source: S3Source, count: int, sizes: _Sizes, settings: Settings, agree: Agree
) -> Estimate:
    tier, lists = settings.ingest.restore_tier, source.requests.lists
    estimate = ingest_estimate.of_restore(sizes, tier, lists)
    if count and not agree(estimate):
        raise UsageError(
            f"{count:,} objects would be restored, for about {estimate.dollars:,.2f} dollars",
            where=source.name,
            mend="nothing was asked of S3; go on with --yes, or name fewer objects with --since, "
            "--until, --account or --region",
        )
    return estimate


def _ask(
    source: S3Source,
    objects: Iterable[dict[str, Any]],
    days: int,
    tier: str,
    counts: Counter[str],
) -> set[dt.date]:
    """Ask for each object; return the delivery days of what will come."""

    def one(found: dict[str, Any]) -> tuple[dict[str, Any], Restoring]:
        return found, source.restore(log_object(found), days, tier)

    coming: set[dt.date] = set()
    waiting = iter(objects)
    with ThreadPoolExecutor(_THREADS) as pool:
        while some := list(islice(waiting, _AT_ONCE)):
            for found, outcome in pool.map(one, some):
                counts[outcome] += 1
                if outcome == "refused":
                    continue
                counts["bytes"] += found["size_bytes"] if outcome == "asked" else 0
                day = object_key.parse(found["key"]).delivery_date
                # Keys without a day are listed every time.
                coming |= {day} if day else set()
    return coming
