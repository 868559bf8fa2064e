"""What re-listing remembers of a bucket: when it was last looked at, and the folders found then.

A file in the lake for each source and choice of accounts and regions. It saves requests and is no
promise: lost or damaged, the next ingest looks further back and finds the folders anew.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable

import msgspec

from ctanalytics.lake.lake import Lake


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one source."""

    floor: dt.date
    """The first delivery day of the history that this lake is to have."""
    swept_at: dt.datetime
    """When the last listing began that looked back far enough for late files."""
    prefixes: tuple[str, ...] = ()
    """Where it found log files: account, kind and region, or flat stretches."""


class Awaited(msgspec.Struct, frozen=True, kw_only=True):
    """Archived objects of a source that S3 was asked to restore."""

    first: dt.date
    """Of their delivery days."""
    last: dt.date
    until: dt.datetime
    """When the copies are gone again."""


def path(source: str, accounts: Iterable[str], regions: Iterable[str]) -> str:
    """Return where a source's listing is remembered."""
    asked = json.dumps([source.rstrip("/"), sorted(accounts), sorted(regions)])
    return f"cache/listing-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"


def recall(lake: Lake, path: str, now: dt.datetime) -> Listing | None:
    """Return what is remembered; None when it is lost, damaged or of a later time."""
    try:
        found = msgspec.json.decode(lake.store.read(path), type=Listing)
        return found if found.swept_at <= now + dt.timedelta(hours=1) else None
    except (FileNotFoundError, msgspec.DecodeError, TypeError):  # TypeError: a time without a zone
        return None


def remember(lake: Lake, path: str, listing: Listing) -> None:
    """Keep a listing instead of the one before."""
    lake.store.write(path, msgspec.json.encode(listing))


def awaited(lake: Lake, path: str, now: dt.datetime) -> Awaited | None:
    """Return what is being restored of a source, by the path of its listing; None: nothing."""
    try:
        found = msgspec.json.decode(lake.store.read(_of_restore(path)), type=Awaited)
        return found if now < found.until else None
    except (FileNotFoundError, msgspec.DecodeError, TypeError):
        return None


def await_restore(lake: Lake, path: str, more: Awaited, now: dt.datetime) -> None:
    """Remember what is being restored, with what already is."""
    known = awaited(lake, path, now)
    if known:
        more = Awaited(
            first=min(known.first, more.first),
            last=max(known.last, more.last),
            until=max(known.until, more.until),
        )
    lake.store.write(_of_restore(path), msgspec.json.encode(more))


def _of_restore(path: str) -> str:
    return path.replace("listing-", "restore-")
