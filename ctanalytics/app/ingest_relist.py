"""How a bucket is listed again: what is new each time, what is late once a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ctanalytics.lake import ledger as ledgers
from ctanalytics.lake import listings
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.listings import Awaited, Listing
from ctanalytics.settings import Ingest
from ctanalytics.sources.base import LogObject, Selection
from ctanalytics.sources.s3 import S3Source

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Listed:
    """How a source is listed in one pass."""

    selection: Selection
    prefixes: tuple[str, ...] | None = None
    """Only these stretches, which an earlier listing found; None: folders are looked for."""
    is_hot: bool = False
    """Whether only what is new is looked at."""
    path: str = ""
    remember: Listing | None = None
    """What is known when the pass has come to its end, without the prefixes."""
    awaited: Awaited | None = None
    """Also these days, on which restored objects lie."""
    waiting: bool = False
    """Also objects of the ledger that have to be tried again and are not listed any more."""
    note: str = ""


def decide(
    source: S3Source,
    lake: Lake | None,
    selection: Selection,
    limits: Ingest,
    now: dt.datetime,
    *,
    eager: bool = True,
    retry: bool = False,
) -> Listed:
    """Choose what to list of a bucket, so that no late file is missed and little is asked.

    Args:
        selection: as the user gave it; an `until` or a late `since` is obeyed and not remembered.
        eager: a pass by itself: it takes `since` by its word, and looks for archived objects that
            are being restored. One of many passes does so once a day.
        retry: look back although it was done lately.
    """
    path = listings.path(source.name, selection.accounts, selection.regions)
    known = listings.recall(lake, path, now) if lake else None
    if selection.until:
        return Listed(selection)
    oldest = _oldest(lake, source) if lake and known is None else None
    if selection.since and not (_goes_on(selection.since, known) and not eager):
        return Listed(
            selection, path=path, remember=_from(selection.since, known, oldest, limits, now)
        )
    awaited = listings.awaited(lake, path, now) if lake else None
    if known is None:
        first = _first(source, path, selection, oldest, limits, now)
        return replace(first, awaited=awaited)
    lately = now - known.swept_at < dt.timedelta(hours=limits.sweep_hours)
    if known.prefixes and lately and not retry:
        # Yesterday too: CloudTrail is minutes late, sometimes hours, rarely more.
        hot = _since(selection, now.date() - _DAY)
        # In a small organization a region that nobody used before is seen at once.
        prefixes = known.prefixes if len(known.prefixes) >= limits.walk_below else None
        return Listed(hot, prefixes, is_hot=True, awaited=awaited if eager else None)
    since = max(known.floor, known.swept_at.date() - limits.sweep_days * _DAY)
    kept = Listing(floor=known.floor, swept_at=now)
    return Listed(_since(selection, since), path=path, remember=kept, awaited=awaited, waiting=True)


def _goes_on(since: dt.datetime, known: Listing | None) -> bool:
    """Whether all from this time on was listed before, so that what is new is enough."""
    return known is not None and known.floor <= since.astimezone(dt.UTC).date()


def _first(
    source: S3Source,
    path: str,
    selection: Selection,
    oldest: dt.date | None,
    limits: Ingest,
    now: dt.datetime,
) -> Listed:
    """A source that was never listed so, or of which nothing is remembered."""
    if oldest is None:
        floor = now.date() - limits.first_days * _DAY
        note = (
            f"{source.name}: first ingest without --since takes the last {limits.first_days} days "
            f"(from {floor}); give --since for more"
        )
    else:
        floor = oldest
        note = (
            f"{source.name}: it is not known when it was last listed; it is listed from {floor}, "
            "the first day that the lake has of it"
        )
    return Listed(
        _since(selection, floor),
        path=path,
        remember=Listing(floor=floor, swept_at=now),
        waiting=oldest is not None,
        note=note,
    )


def _from(
    since: dt.datetime,
    known: Listing | None,
    oldest: dt.date | None,
    limits: Ingest,
    now: dt.datetime,
) -> Listing | None:
    """What to remember of a listing from a time that the user named; None: it leaves a gap."""
    first = since.astimezone(dt.UTC).date()
    if known is None:
        return Listing(floor=first, swept_at=now) if oldest is None or first <= oldest else None
    if first > max(known.floor, known.swept_at.date() - limits.sweep_days * _DAY):
        return None
    return msgspec.structs.replace(known, floor=min(first, known.floor), swept_at=now)


def _since(selection: Selection, day: dt.date) -> Selection:
    return replace(selection, since=dt.datetime.combine(day, dt.time(), dt.UTC))


def _before(selection: Selection, awaited: Awaited) -> Selection | None:
    """The awaited days that are not listed anyway."""
    last = awaited.last
    if first := selection.first_day():
        last = min(last, first - _DAY)
    if last < awaited.first:
        return None
    until = dt.datetime.combine(last, dt.time(), dt.UTC)
    return replace(_since(selection, awaited.first), until=until, slack_days=0)


def objects(
    source: S3Source, how: Listed, lake: Lake | None, *, retry: bool
) -> Iterator[Sequence[LogObject]]:
    """Yield what a pass looks at, in batches."""
    if how.awaited and (span := _before(how.selection, how.awaited)):
        yield from source.list(span)
    if how.prefixes is not None:
        yield from source.again(how.prefixes, how.selection)
        return
    yield from source.list(how.selection)
    if lake and how.waiting and how.selection.since:
        yield _waiting(source, how.selection, lake, retry=retry)


def done(source: S3Source, how: Listed, lake: Lake) -> None:
    """Remember a pass that came to its end."""
    if how.remember:
        kept = msgspec.structs.replace(how.remember, prefixes=source.found)
        listings.remember(lake, how.path, kept)


def _waiting(source: S3Source, selection: Selection, lake: Lake, *, retry: bool) -> list[LogObject]:
    """Objects before the listed days that were denied, deferred or changed, or are set aside."""
    # What is gone will not come back.
    states = (ledgers.AGAIN - {"gone"}) | (ledgers.SET_ASIDE if retry else set())
    with lake.engine() as engine:
        rows: list[dict[str, Any]] = engine.run(
            "lake/waiting_files",
            bucket=source.bucket,
            prefix=source.prefix,
            before=selection.first_day(),
            states=sorted(states),
        ).to_pylist()
    chosen = replace(selection, since=None)
    return [LogObject(**row) for row in rows if chosen.takes(row["key"])]


def _oldest(lake: Lake, source: S3Source) -> dt.date | None:
    with lake.engine() as engine:
        found = engine.run("lake/oldest_delivery", bucket=source.bucket, prefix=source.prefix)
    day: dt.date | None = found["delivery_date"][0].as_py()
    return day
