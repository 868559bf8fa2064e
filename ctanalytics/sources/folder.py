"""Log files in a folder of any layout, of a pattern, or one file; also those in archives.

What a log file is, its content tells later; what an archive is, its content tells here.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ctanalytics import untrusted
from ctanalytics.errors import SourceDenied, SourceError, SourceMissing
from ctanalytics.records import object_key
from ctanalytics.settings import Aws
from ctanalytics.sources import archives
from ctanalytics.sources.archives import etag_of
from ctanalytics.sources.base import (
    Fetched,
    LogObject,
    Notes,
    Requests,
    Selection,
    Unread,
    batched,
)
from ctanalytics.sources.patterns import Pattern, Steps, split

BUCKET = "file"


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder and all files below it, but hidden ones; those of a pattern; or one file."""

    name: str
    root: Path
    """Absolute, symbolic links resolved."""
    pattern: Pattern | None = None
    is_read: Callable[[str, str], bool] | None = None
    """Tells of an archive by path and ETag whether all of it was read before: it is not listed."""
    requests: Requests = field(default_factory=Requests)
    notes: Notes = field(default_factory=Notes)

    @classmethod
    def open(cls, text: str) -> FolderSource:
        """Return the source at a path, or of a pattern when no file is called so.

        Raises:
            SourceMissing: nothing is there.
        """
        place, pattern = text, None
        if not os.path.lexists(text) and (found := split(text)):
            place, pattern = str(found[0]), found[1]
        try:
            return cls(text, Path(place).resolve(strict=True), pattern)
        except PermissionError as error:
            raise _denied(text, error) from error
        except OSError as error:
            raise SourceMissing(
                "there is no such folder or file", where=text, mend=_near(Path(place))
            ) from error

    def list(self, selection: Selection) -> Iterator[list[LogObject]]:
        """See `sources.base.Source`."""
        found_any = False
        for batch in batched(self._chosen(selection)):
            found_any = True
            yield batch
        if not found_any and not any(True for _ in self._walk(self.root)):
            raise self._missing()

    def read(self, obj: LogObject, max_bytes: int) -> Fetched:
        """See `sources.base.Source`."""
        if obj.refused:
            return obj.refused
        if obj.size_bytes > max_bytes:
            return Unread("too_large", f"{obj.size_bytes} bytes, the limit is {max_bytes}")
        if obj.locator:
            return archives.read(obj, max_bytes)
        try:
            # A Path takes 20 us a file, which is much where files are small.
            with open(obj.key, "rb", buffering=0) as file:  # noqa: PTH123
                before = etag_of(os.fstat(file.fileno()))
                data = file.read(obj.size_bytes + 1)
                while len(data) <= obj.size_bytes and (more := file.read(obj.size_bytes + 1)):
                    data += more
                after = etag_of(os.fstat(file.fileno()))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return Unread("gone", "the file is not there any more")
        except OSError as error:
            return Unread("denied", f"the file can't be read: {error.strerror}")
        if before != obj.etag or after != obj.etag or len(data) != obj.size_bytes:
            return Unread("changed", "the file was written to after it was listed")
        return data

    def spec(self) -> dict[str, Any]:
        """See `sources.base.Source`."""
        pattern = list(self.pattern.parts) if self.pattern else None
        return {
            "source": str(self.root),
            "pattern": pattern,
            "aws": msgspec.to_builtins(Aws()),
        }

    def _missing(self) -> SourceMissing:
        if self.pattern is None:
            return SourceMissing(
                "there is no file in this folder", where=self.name, mend=_near(self.root)
            )
        return SourceMissing(
            "no file matches this pattern (hidden files are left out)",
            where=self.name,
            mend=_near(self.root / "*"),
        )

    def _chosen(self, selection: Selection) -> Iterator[LogObject]:
        for path, status in self._walk(self.root):
            if kind := self._archive_kind(path):
                yield from self._archive(path, status, kind, selection)
            elif selection.takes(path):
                modified = dt.datetime.fromtimestamp(status.st_mtime_ns // 10**9, dt.UTC)
                yield LogObject(BUCKET, path, etag_of(status), status.st_size, modified)

    def _archive(
        self, path: str, status: os.stat_result, kind: str, selection: Selection
    ) -> Iterator[LogObject]:
        """The members of an archive; the archive itself last, once all of it is listed."""
        known = self.is_read is not None and self.is_read(path, etag_of(status))
        whole = known or selection.is_all
        if not known:
            for found in archives.members(path, status, kind, self.notes):
                whole = whole and found.locator is not None
                if selection.takes(found.key):
                    yield found
        if whole:
            yield archives.itself(path, status)

    def _archive_kind(self, path: str) -> str | None:
        """Tell whether a file is an archive; a look costs as much as opening it."""
        # Files that are called as CloudTrail's are not looked into, where they may be thousands.
        if path != str(self.root) and object_key.parse(path).kind != "unknown":
            return None
        try:
            return archives.kind_of(open(path, "rb", buffering=0))  # noqa: PTH123
        except OSError:
            return None  # the read says why

    def _walk(self, place: Path) -> Iterator[tuple[str, os.stat_result]]:
        """Regular files below a place with their status, in the order of their names."""
        if not place.is_dir():
            yield place.as_posix(), place.stat()
            return
        pattern = self.pattern
        folders = [(place.as_posix(), pattern.start() if pattern else Steps())]
        while folders:
            deeper = []
            folder, steps = folders.pop()
            for entry in self._entries(folder):
                inner = steps
                if pattern and not (inner := pattern.step(steps, entry.name)):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    deeper.append((entry.path, inner))
                elif pattern and not pattern.taken(inner):
                    continue
                elif (status := self._file(entry)) is not None:
                    yield entry.path, status
            folders.extend(reversed(deeper))

    def _entries(self, folder: str) -> Sequence[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                found = [entry for entry in entries if not entry.name.startswith(".")]
        except FileNotFoundError:
            return []  # removed while we listed
        except PermissionError as error:
            if folder == self.root.as_posix():
                raise _denied(self.name, error) from error
            self.notes.add(f"a folder may not be read: {untrusted.one_line(folder)}")
            return []
        except OSError as error:
            raise SourceError(
                f"the folder can't be listed: {error.strerror}", where=folder, mend="check the disk"
            ) from error
        return sorted(found, key=lambda entry: os.fsencode(entry.name))

    def _file(self, entry: os.DirEntry[str]) -> os.stat_result | None:
        """Return the status of a file that may be handed over."""
        shown = untrusted.one_line(entry.path)
        try:
            entry.path.encode()
        except UnicodeEncodeError:
            self.notes.add(f"a file's name is not UTF-8; rename it: {shown}")
            return None
        if entry.is_symlink() and not self._leads_within(entry.path):
            self.notes.add(f"a symbolic link was not followed: {shown}")
            return None
        try:
            status = entry.stat()
        except OSError:
            return None  # removed while we listed
        return status if stat.S_ISREG(status.st_mode) else None

    def _leads_within(self, path: str) -> bool:
        target = Path(path).resolve()
        return target.is_relative_to(self.root) and target.is_file()


def _denied(where: str, error: OSError) -> SourceDenied:
    return SourceDenied(
        f"it may not be read: {error.strerror}",
        where=where,
        mend="give this user the right to read it",
    )


def _near(path: Path) -> str:
    """Name what exists beside a path that doesn't, or beside an empty folder."""
    if path.parts[:1] == ("s3:",):
        return "write s3://bucket/prefix, with two slashes"
    parent = path.absolute().parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    try:
        names = sorted(entry.name for entry in os.scandir(parent) if entry.name[:1] != ".")
    except OSError:
        return "check the path"
    shown = ", ".join(untrusted.one_line(name) for name in names[:5]) or "nothing"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"check the path; in {untrusted.one_line(parent)} there is {shown}{more}"
