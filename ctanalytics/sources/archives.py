"""Archives in a folder: tar (plain, gzip, xz, bzip2, zstd) and zip, known by their content.

Each member is an object of its own, listed by one pass over the archive and streamed from it when
it is read; nothing is unpacked to the disk, and a member's name is text, never a path.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from ctanalytics import untrusted
from ctanalytics.sources import archive_tar, archive_zip
from ctanalytics.sources.archive_streams import (
    FREE_BYTES,
    MAX_EXPANSION,
    Broken,
    Stream,
    beginning_of,
    codec_of,
)
from ctanalytics.sources.base import Fetched, LogObject, Notes, Unread

MARK: Final = "!/"
"""Between an archive's path and its member's name in a key."""

_READ: Final = Unread("skipped", "an archive: its members are objects of their own")

MAX_MEMBERS: Final = 1_000_000
_LONGEST_NAME: Final = 1_024
_SNIFFED: Final = 4_096
_LATEST: Final = 253_402_214_400  # 9999-12-31, the last day that a datetime holds


def kind_of(file: BinaryIO) -> str | None:
    """Tell an archive's kind: zip, tar, or tar.CODEC; None when it is none.

    Args:
        file: at its start; it is closed.
    """
    with file:
        head = file.read(_SNIFFED)
        if head.startswith(archive_zip.MAGICS):
            return "zip"
        codec = codec_of(head)
        if not codec:
            return "tar" if archive_tar.is_header(head) else None
        beginning = beginning_of(head, codec, archive_tar.BLOCK)
        if beginning is not None:
            return f"tar.{codec}" if archive_tar.is_header(beginning) else None
        stream = Stream(file, codec, chunk=_SNIFFED)
        try:
            return f"tar.{codec}" if archive_tar.is_header(stream.read(archive_tar.BLOCK)) else None
        except Broken:
            return None
        finally:
            stream.close()


def etag_of(status: os.stat_result) -> str:
    """Return what changes with a file's content."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def itself(path: str, status: os.stat_result, word: Unread = _READ) -> LogObject:
    """An archive as an object, with the word on it; it holds no events itself."""
    return LogObject(
        bucket="file",
        key=path,
        etag=etag_of(status),
        size_bytes=status.st_size,
        last_modified=_moment(status.st_mtime),
        refused=word,
    )


def members(path: str, status: os.stat_result, kind: str, notes: Notes) -> Iterator[LogObject]:
    """Yield an archive's members as objects, then the archive if it can't be read to its end.

    Args:
        status: of the archive, as it was listed.
    """
    listing = _Listing(path, status, notes)
    try:
        # Both close it when they end.
        file = open(path, "rb")  # noqa: PTH123, SIM115 - the reader closes it
    except OSError:
        return  # removed or closed to us while we listed; the next ingest sees
    try:
        found = _zipped(listing, file) if kind == "zip" else _tarred(listing, file, kind)
        for count, member in enumerate(found):
            if count >= MAX_MEMBERS:
                raise Broken("too_large", f"it has more than {MAX_MEMBERS:,} members")
            yield member
    except Broken as error:
        detail = f"{error.detail}; the members before that are read"
        yield itself(path, status, Unread(error.reason, detail))
    finally:
        file.close()
        listing.close()


@dataclass
class _Listing:
    """What the members of one archive have in common."""

    path: str
    status: os.stat_result
    notes: Notes

    def __post_init__(self) -> None:
        self.etag = etag_of(self.status)
        self._names: set[int] = set()
        self._links = 0

    def member(
        self,
        name: str,
        locator: str,
        mark: str,
        size: int,
        modified: float,
        refused: Unread | None = None,
    ) -> LogObject:
        """A member; one of several of the same name gets a number."""
        key = f"{self.path}{MARK}{name}"
        number = 1
        while hash(key) in self._names:
            number += 1
            key = f"{self.path}{MARK}{name}#{number}"
        self._names.add(hash(key))
        return LogObject(
            bucket="file",
            key=key,
            etag=f"{self.etag}/{mark}",
            size_bytes=size,
            last_modified=_moment(modified),
            locator=f"{len(self.path)}:{locator}",
            refused=refused,
        )

    def link(self) -> None:
        """Count a link, which is not followed."""
        self._links += 1

    def close(self) -> None:
        """Note what was passed over."""
        if self._links:
            shown = untrusted.one_line(self.path)
            self.notes.add(f"{self._links} links in an archive were not followed: {shown}")


def _tarred(listing: _Listing, file: BinaryIO, kind: str) -> Iterator[LogObject]:
    stream = Stream(file, kind.partition(".")[2])
    try:
        for entry in archive_tar.entries(stream):
            name = _shown(entry.name, "utf-8")
            if entry.what == "link":
                listing.link()
            if entry.what in ("folder", "link", "other") or _is_hidden(name):
                continue
            refused = None
            if entry.what == "sparse":
                refused = Unread("unsupported", "a sparse file; make the archive without --sparse")
            mark = f"{entry.offset}-{entry.size}-{entry.modified}"
            locator = f"{kind}:{entry.offset}"
            yield listing.member(name, locator, mark, entry.size, entry.modified, refused)
    finally:
        stream.close()


def _zipped(listing: _Listing, file: BinaryIO) -> Iterator[LogObject]:
    unpacked = 0
    most = max(FREE_BYTES, MAX_EXPANSION * listing.status.st_size)
    for entry in archive_zip.entries(file):
        name = _shown(entry.name, entry.encoding)
        if entry.link:
            listing.link()
        if entry.link or name.endswith("/") or _is_hidden(name):
            continue
        unpacked += entry.size
        refused = None
        if entry.encrypted:
            refused = Unread("encrypted", "the member is encrypted; unpack the archive yourself")
        elif entry.method not in (archive_zip.STORED, archive_zip.DEFLATED):
            method = archive_zip.method_name(entry.method)
            refused = Unread("unsupported", f"compressed by {method}; unpack the archive yourself")
        elif unpacked > most:
            raise Broken("too_large", f"it unpacks to more than {MAX_EXPANSION} times its size")
        mark = f"{entry.offset}-{entry.size}-{entry.crc:08x}"
        locator = f"zip:{entry.offset}:{entry.packed}:{entry.crc}:{entry.method}"
        modified = listing.status.st_mtime
        yield listing.member(name, locator, mark, entry.size, modified, refused)


def read(obj: LogObject, max_bytes: int) -> Fetched:
    """Return a member's content, if its archive is the one that was listed.

    Members of one archive are best read in the order of their listing: a compressed tar file is
    then unpacked once in each process.
    """
    length, kind, *numbers = (obj.locator or "").split(":")
    path = obj.key[: int(length)]
    try:
        with _READERS.reader(path, obj.etag.partition("/")[0], kind) as reader:
            data = reader.read([int(number) for number in numbers], obj.size_bytes, max_bytes)
            if reader.is_changed():
                return Unread("changed", "the archive was written to after it was listed")
    except FileNotFoundError:
        return Unread("gone", "the archive is not there any more")
    except OSError as error:
        return Unread("denied", f"the archive can't be read: {error.strerror}")
    except Broken as error:
        return Unread(error.reason, error.detail)
    if kind_of(io.BytesIO(data)):
        detail = "an archive within an archive; unpack it and name it as a source of its own"
        return Unread("nested_archive", detail)
    return data


class _Reader:
    """An open archive, which goes on where the last read has ended."""

    def __init__(self, path: str, etag: str, kind: str) -> None:
        self.place = (path, etag, kind)
        self._path, self._etag, self._kind = self.place
        self.stream = self._opened()

    def close(self) -> None:
        self.stream.close()

    def is_changed(self) -> bool:
        return etag_of(os.fstat(self.stream.file.fileno())) != self._etag

    def read(self, place: list[int], size: int, max_bytes: int) -> bytes:
        """Return the bytes of a member by the numbers of its locator."""
        if self._kind == "zip":
            offset, packed, crc, method = place
            if packed > max_bytes:
                raise Broken("too_large", f"{packed} bytes, the limit is {max_bytes}")
            return archive_zip.read(self.stream.file, offset, packed, size, crc, method)
        (offset,) = place
        if offset < self.stream.position:
            self.close()
            self.stream = self._opened()
        self.stream.skip(offset - self.stream.position)
        data = self.stream.read(size)
        if len(data) < size:
            raise Broken("truncated", "the archive ends within this member")
        return data

    def _opened(self) -> Stream:
        return Stream(open(self._path, "rb"), self._kind.partition(".")[2])  # noqa: PTH123


class _Readers:
    """The archive that this process has open: its members come in a row, in many parts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: _Reader | None = None

    @contextmanager
    def reader(self, path: str, etag: str, kind: str) -> Iterator[_Reader]:
        """Lend the reader of an archive; after a fault it begins anew."""
        with self._lock:
            if self._open is None or self._open.place != (path, etag, kind):
                self.close()
                self._open = _Reader(path, etag, kind)
            sound = False
            try:
                yield self._open
                sound = not self._open.is_changed()
            finally:
                if not sound:
                    self.close()

    def close(self) -> None:
        """Give the file back."""
        if self._open is not None:
            self._open.close()
            self._open = None


_READERS: Final = _Readers()


def _shown(name: bytes, encoding: str) -> str:
    """A member's name as text; what is no character is spelled out."""
    text = name.decode(encoding, "backslashreplace").replace("\0", "\\x00")
    while text.startswith(("./", "/")):
        text = text.removeprefix(".").lstrip("/")
    if len(text) > _LONGEST_NAME:
        text = f"{text[:_LONGEST_NAME]}~{hashlib.sha256(name).hexdigest()[:16]}"
    return text


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" in parts or any(
        part.startswith(".") and part not in (".", "..") for part in parts
    )


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(min(max(seconds, 0), _LATEST)), dt.UTC)
