"""Where a lake's files are: a local folder or a prefix in S3, written whole or not at all.

Paths are relative to the lake's root and separated by "/". `put_once` is what all exactly-once
promises rest on: of two writers of one path, one wins, and the other learns it.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics import untrusted
from ctanalytics.aws import bucket_of
from ctanalytics.errors import LakeUnsafe, UsageError
from ctanalytics.settings import LakeAws

PROBES = "leases/probe-"
# Delta decodes the first and refuses the others; DuckDB takes the last for a partition.
_UNUSABLE = re.compile(r"%[0-9a-f]{2}|\\|[\x00-\x1f\x7f]|(?:^|/)event_date=", re.I)
# Delta cuts a key at the first two; DuckDB takes the others for a pattern.
_UNUSABLE_IN_S3 = re.compile(r"[#?*\[]|//")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as a listing has it."""

    path: str
    size_bytes: int
    modified: dt.datetime


class Store(Protocol):
    """The files of one lake."""

    @property
    def uri(self) -> str:
        """The root: an absolute path, or s3://bucket/prefix."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether its files lie on this machine."""
        ...

    def read(self, path: str) -> bytes:
        """Return a file's bytes; FileNotFoundError when it is absent."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Create or replace a file; readers see the old bytes or the new ones, and it lasts.

        Args:
            data: bytes, or what has the buffer protocol, as Arrow's buffers.
        """
        ...

    def create(self, path: str, *, durable: bool = True) -> AbstractContextManager[BinaryIO]:
        """Write a file piece by piece; it has its name when the block ends without an error.

        Args:
            durable: whether it has to outlast a power cut; what a rerun makes anew need not.
        """
        ...

    def buffer(self, path: str) -> pa.Buffer:
        """Return a file's bytes, not copied where the system can map them."""
        ...

    def put_once(self, path: str, data: bytes) -> bool:
        """Create a file unless it exists; False, and nothing done, when it does.

        The data should hold something of the writer's own (an owner id): after a broken
        connection, that is how a writer knows its own put again.
        """
        ...

    def exists(self, path: str) -> bool:
        """Tell whether there is such a file."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the paths that start with a text, in the order of their bytes."""
        ...

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Yield what `list` does with size and time, and what a killed writer left half written."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file; an absent one is fine."""
        ...

    def delete_all(self, paths: Iterable[str]) -> None:
        """Remove files, a thousand by one request where the place can do that."""
        ...

    def delete_tree(self, prefix: str) -> None:
        """Remove all files below a folder."""
        ...

    def sweep(self) -> None:
        """Remove what killed writers left half written, but in tables, of which `vacuum` takes care."""
        ...

    def location(self, path: str = "") -> str:
        """Return where a file is, as readers of Parquet and Delta take it."""
        ...

    def storage_options(self) -> dict[str, str] | None:
        """Return what `deltalake` needs to reach the lake; ask again for every open table."""
        ...

    def filesystem(self) -> Any:
        """Return an fsspec filesystem for DuckDB, or None when the files are local."""
        ...

    def open_parquet(self, path: str, **options: Any) -> pq.ParquetFile:
        """Open a Parquet file of which ranges are read as they are needed."""
        ...

    def spec(self) -> dict[str, Any]:
        """Return what `store_from` needs, as JSON-able data without secrets."""
        ...

    def probe(self) -> None:
        """Make sure that of two writers of one path only one wins.

        Raises:
            LakeUnsafe: this place can't promise it, and commits could be lost.
        """
        ...


def open_store(uri: str, aws: LakeAws) -> Store:
    """Return the store at a place; nothing is read or created yet.

    Raises:
        UsageError: the place is neither a folder nor s3://bucket/prefix.
    """
    place = bucket_of(uri)
    odd = _UNUSABLE.search(uri if place else str(Path(uri).absolute()))
    if odd or (place and _UNUSABLE_IN_S3.search(place[1].strip("/"))):
        raise UsageError(
            "a lake can't be at a path with a backslash, a control character, % before two hex "
            "digits, or a folder event_date=...; in S3 not with # ? * [ or // either",
            where=untrusted.one_line(uri),
            mend="name another place with --lake",
        )
    if place is not None:
        bucket, prefix = place
        if not bucket:
            raise UsageError("the lake's bucket is missing", where=uri, mend="s3://BUCKET/PREFIX")
        from ctanalytics.lake.s3_store import S3Store

        return S3Store(bucket, prefix.strip("/"), aws)
    if "://" in uri or not uri:
        raise UsageError(
            "a lake is a folder or s3://bucket/prefix", where=uri, mend="give --lake one of these"
        )
    from ctanalytics.lake.local_store import LocalStore

    # Without `..` and links, as Delta names files, whose places within the lake are asked for.
    return LocalStore(str(Path(uri).resolve()))


def store_from(spec: dict[str, Any]) -> Store:
    """Open the store that `Store.spec` described; nothing is asked of AWS."""
    place = bucket_of(spec["uri"])
    if place is None:
        from ctanalytics.lake.local_store import LocalStore

        return LocalStore(spec["uri"])
    from ctanalytics.lake.s3_store import S3Store

    aws = msgspec.convert(spec["aws"], LakeAws)
    return S3Store(*place, aws, known_region=spec["region"])


def checked(path: str) -> str:
    """Return a path within a lake as it is; ValueError when it leads elsewhere."""
    if not path or path.startswith("/") or any(x in ("", ".", "..") for x in path.split("/")):
        raise ValueError(f"not a path within a lake: {path!r}")
    return path


def probe_store(store: Store) -> None:
    """Put an object twice; see `Store.probe`."""
    path = f"{PROBES}{uuid.uuid4().hex}"
    try:
        first = store.put_once(path, b"first " + uuid.uuid4().bytes)
        second = store.put_once(path, b"second " + uuid.uuid4().bytes)
    finally:
        store.delete(path)
    if not first or second:
        raise LakeUnsafe(
            "this place does not honour put-if-absent: two writers could both win, "
            "and events would be lost without an error",
            where=store.uri,
            mend="use Amazon S3, or a server that honours If-None-Match on PutObject",
        )
