"""What a source gives: objects in batches, and the bytes of one object or why there are none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

import msgspec

from ctanalytics import settings
from ctanalytics.errors import UsageError
from ctanalytics.records import object_key

BATCH: Final = 1_000
"""Objects in one batch of a listing, at most."""

RECORD_KINDS: Final = frozenset({"log", "insight", "network_activity", "aggregated"})
"""Kinds of files that hold records; digests and Config files lie beside them under AWSLogs/.
Config's kind, "config", is listed where it is asked for: it costs as many requests again."""

ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects can't be read before a restore. INTELLIGENT_TIERING may archive
too, but a listing does not tell: such an object turns out archived when it is read."""

_SLACK_DAYS: Final = settings.Ingest().delivery_slack_days


Reason = Literal[
    "gone",
    "denied",
    "changed",
    "archived",
    "skipped",
    "too_large",
    "truncated",
    "corrupt",
    "encrypted",
    "nested_archive",
    "unsupported",
]

FAULTS: Final = frozenset(
    ("too_large", "truncated", "corrupt", "encrypted", "nested_archive", "unsupported")
)
"""Reasons that lie in the content: trying again gives the same, so the object is set aside."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Why an object gave no bytes. A fault of one object is data, not an exception."""

    reason: Reason
    detail: str


Fetched = bytes | Unread


@dataclass(frozen=True, slots=True)
class LogObject:
    """A file as its listing shows it; the ledger keeps these columns."""

    bucket: str
    """S3 bucket, or "file"."""
    key: str
    """S3 key, or the absolute path of a file."""
    etag: str
    """Changes with the content; of a local file its size and its mtime in nanoseconds."""
    size_bytes: int
    last_modified: dt.datetime
    storage_class: str | None = None
    version_id: str | None = None
    restored: bool = False
    """An archived object of which a restored copy can be read now."""
    locator: str | None = None
    """What its source needs to find it, where the key is not enough; for the source alone."""
    refused: Unread | None = None
    """Why it can't be read, where the listing shows it already."""

    @property
    def archived(self) -> bool:
        """Tell whether it can't be read before someone restores it."""
        return self.storage_class in ARCHIVES and not self.restored


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects to list. What a key doesn't tell is no reason to leave its object out.

    Times choose delivery days: a file of any day may hold events of 30 days before, since
    CloudTrail repeats a failed delivery for so long. A chosen object is taken whole.
    """

    since: dt.datetime | None = None
    until: dt.datetime | None = None
    accounts: frozenset[str] = frozenset()
    """Empty: all."""
    regions: frozenset[str] = frozenset()
    """Empty: all."""
    kinds: frozenset[str] = RECORD_KINDS
    """Under AWS's key layout in S3 only these are listed; folders give all their files."""
    slack_days: int = _SLACK_DAYS

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out by time, account or region."""
        return not (self.since or self.until or self.accounts or self.regions)

    def first_day(self) -> dt.date | None:
        """The first delivery day that can hold events of the span."""
        return self.since.astimezone(dt.UTC).date() if self.since else None

    def last_day(self) -> dt.date | None:
        """The last delivery day that can hold events of the span."""
        if self.until is None:
            return None
        return self.until.astimezone(dt.UTC).date() + dt.timedelta(days=self.slack_days)

    def takes(self, key: str) -> bool:
        """Tell whether an object is chosen, by what its key tells."""
        if self.is_all:
            return True
        parsed = object_key.parse(key)
        return (
            self.takes_account(parsed.account_id)
            and self.takes_region(parsed.aws_region)
            and self.takes_day(parsed.delivery_date)
        )

    def takes_account(self, account_id: str | None) -> bool:
        """Tell whether an account's files are chosen; None is an unknown account."""
        return not self.accounts or account_id is None or account_id in self.accounts

    def takes_region(self, aws_region: str | None) -> bool:
        """Tell whether a region's files are chosen; None is an unknown region."""
        return not self.regions or aws_region is None or aws_region in self.regions

    def takes_day(self, day: dt.date | None) -> bool:
        """Tell whether a delivery day's files are chosen; None is an unknown day."""
        if day is None:
            return True
        first, last = self.first_day(), self.last_day()
        return (first is None or first <= day) and (last is None or day <= last)


@dataclass
class Requests:
    """Requests to S3 so far, which is what listing and reading cost."""

    lists: int = 0
    gets: int = 0


@dataclass
class Notes:
    """What a person should know about a listing: what was passed over, and why."""

    texts: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Keep a text, once."""
        if text not in self.texts:
            self.texts.append(text)


class Source(Protocol):
    """A place with log files."""

    @property
    def name(self) -> str:
        """The source as the user wrote it."""
        ...

    @property
    def requests(self) -> Requests:
        """Counts of what this source object has asked S3; zeros for a folder."""
        ...

    @property
    def notes(self) -> Notes:
        """What the listings of this source object passed over."""
        ...

    def list(self, selection: Selection) -> Iterator[list[LogObject]]:
        """Yield the objects in batches of at most BATCH, in the same order every time.

        Raises:
            SourceMissing: there is no such place, or nothing in it.
            SourceDenied: credentials are missing or don't allow it.
            SourceError: the place can't be reached.
        """
        ...

    def read(self, obj: LogObject, max_bytes: int) -> Fetched:
        """Return an object's bytes if it is the one that was listed, else why not.

        Raises:
            SourceError: the source as a whole can't be read now (network, throttling, expired
                credentials), so that the object says nothing about itself.
        """
        ...

    def spec(self) -> dict[str, Any]:
        """Return what opens the source again in another process, as JSON-able data."""
        ...


def open_source(text: str, aws: settings.Aws) -> Source:
    """Return the source that a user named: a folder, a file, s3://bucket/prefix, lookup-events.

    Raises:
        UsageError: it is none of these.
        SourceMissing: there is no such folder or file.
    """
    from ctanalytics.aws import bucket_of
    from ctanalytics.sources import lookup
    from ctanalytics.sources.folder import FolderSource
    from ctanalytics.sources.s3 import S3Source

    place = bucket_of(text)
    if place is not None:
        return S3Source(text, *place, aws)
    if text == lookup.NAME:
        return lookup.LookupSource(aws)
    if "://" in text or text.startswith("arn:") or not text:
        raise UsageError(
            "a source is a folder, a file, a pattern, s3://bucket/prefix or lookup-events",
            where=text,
            mend="name one of these; of a trail, give the bucket it delivers to",
        )
    return FolderSource.open(text)


def source_from(spec: dict[str, Any]) -> Source:
    """Open the source that `Source.spec` described; nothing is asked of AWS."""
    from ctanalytics.aws import bucket_of
    from ctanalytics.sources.folder import FolderSource
    from ctanalytics.sources.patterns import Pattern
    from ctanalytics.sources.s3 import S3Source

    aws = msgspec.convert(spec["aws"], settings.SourceAws)
    place = bucket_of(spec["source"])
    if place is not None:
        return S3Source(spec["source"], *place, aws, known_region=spec["region"])
    folder = FolderSource.open(spec["source"])
    pattern = spec.get("pattern")
    return replace(folder, pattern=Pattern(tuple(pattern))) if pattern else folder


def batched(objects: Iterable[LogObject]) -> Iterator[list[LogObject]]:
    """Group a stream of objects into batches of at most BATCH."""
    batch: list[LogObject] = []
    for found in objects:
        batch.append(found)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
