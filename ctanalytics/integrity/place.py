"""Where digests and log files are read: a bucket, or a folder that is a copy of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ctanalytics import settings
from ctanalytics.aws import bucket_of
from ctanalytics.errors import UsageError
from ctanalytics.sources.base import Unread


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as its listing shows it."""

    key: str
    """S3 key, or absolute path."""
    etag: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A file's bytes with what is kept beside them."""

    data: bytes
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    """S3 object metadata, names in lower case; of a copy what its `.metadata.json` holds."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an object in a versioned bucket."""

    version_id: str
    written_at: dt.datetime
    owner: str
    is_latest: bool
    is_delete_marker: bool


class Place(Protocol):
    """A bucket or a copy of one. Safe to read from many threads."""

    @property
    def name(self) -> str:
        """As the user wrote it."""
        ...

    @property
    def bucket(self) -> str:
        """The bucket, or "file"."""
        ...

    @property
    def root(self) -> str:
        """The prefix that was named: empty, or ending with "/"."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly in a folder, sorted; none when it is absent.

        Raises:
            SourceDenied, SourceError: it can't be listed.
        """
        ...

    def files(self, prefix: str, *, first: str = "", last: str = "") -> Iterator[Entry]:
        """Yield the files below a folder whose keys lie between two beginnings, in their order.

        Args:
            first: keys that sort before this text are left out.
            last: keys that sort after all that begin with this text are left out; empty: no end.
        """
        ...

    def read(self, bucket: str, key: str) -> Stored | Unread:
        """Return a file's bytes, of a digest with its metadata, else why there are none.

        Raises:
            SourceError: the place as a whole can't be read now.
        """
        ...

    def etag(self, bucket: str, key: str) -> str | None:
        """Return a file's ETag as it is now, without reading it; None when that can't be told."""
        ...

    def versions(self, bucket: str, key: str) -> list[Version]:
        """Return the versions of an object, the newest first; empty where there are none to see."""
        ...

    def read_version(self, bucket: str, key: str, version_id: str) -> bytes | None:
        """Return the bytes of one version; None when it can't be read."""
        ...


def open_place(text: str, aws: settings.Aws) -> Place:
    """Return the place that a user named: a folder or s3://bucket/prefix.

    Raises:
        UsageError: it is neither.
        SourceMissing: there is no such folder.
    """
    from ctanalytics.integrity.folder_place import FolderPlace
    from ctanalytics.integrity.s3_place import S3Place

    found = bucket_of(text)
    if found is not None:
        bucket, prefix = found
        if not bucket:
            raise UsageError("the bucket is missing", where=text, mend="s3://BUCKET/PREFIX")
        prefix = prefix.rstrip("/")
        return S3Place(text, bucket, f"{prefix}/" if prefix else "", aws)
    if "://" in text or text.startswith("arn:") or not text:
        raise UsageError(
            "logs are validated in a folder or in s3://bucket/prefix",
            where=text,
            mend="name one of these; a trail is chosen with --trail-arn",
        )
    return FolderPlace.open(text)
