"""Log files in a folder of any layout, or one file. What a file is, its content tells later."""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ctanalytics import untrusted
from ctanalytics.errors import SourceDenied, SourceError, SourceMissing
from ctanalytics.settings import Aws
from ctanalytics.sources.base import (
    Fetched,
    LogObject,
    Notes,
    Requests,
    Selection,
    Unread,
    batched,
)

BUCKET = "file"


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder and all files below it, but hidden ones; or one file."""

    name: str
    root: Path
    """Absolute, symbolic links resolved."""
    requests: Requests = field(default_factory=Requests)
    notes: Notes = field(default_factory=Notes)

    @classmethod
    def open(cls, text: str) -> FolderSource:
        """Return the source at a path.

        Raises:
            SourceMissing: nothing is there.
        """
        try:
            return cls(text, Path(text).resolve(strict=True))
        except PermissionError as error:
            raise _denied(text, error) from error
        except OSError as error:
            raise SourceMissing(
                "there is no such folder or file", where=text, mend=_near(Path(text))
            ) from error

    def list(self, selection: Selection) -> Iterator[list[LogObject]]:
        """See `sources.base.Source`."""
        found_any = False
        for batch in batched(self._chosen(selection)):
            found_any = True
            yield batch
        if not found_any and not any(True for _ in self._walk(self.root)):
            raise SourceMissing(
                "there is no file in this folder", where=self.name, mend=_near(self.root)
            )

    def read(self, obj: LogObject, max_bytes: int) -> Fetched:
        """See `sources.base.Source`."""
        if obj.size_bytes > max_bytes:
            return Unread("too_large", f"{obj.size_bytes} bytes, the limit is {max_bytes}")
        try:
            # A Path takes 20 us a file, which is much where files are small.
            with open(obj.key, "rb", buffering=0) as file:  # noqa: PTH123
                before = _etag(os.fstat(file.fileno()))
                data = file.read(obj.size_bytes + 1)
                while len(data) <= obj.size_bytes and (more := file.read(obj.size_bytes + 1)):
                    data += more
                after = _etag(os.fstat(file.fileno()))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return Unread("gone", "the file is not there any more")
        except OSError as error:
            return Unread("denied", f"the file can't be read: {error.strerror}")
        if before != obj.etag or after != obj.etag or len(data) != obj.size_bytes:
            return Unread("changed", "the file was written to after it was listed")
        return data

    def spec(self) -> dict[str, Any]:
        """See `sources.base.Source`."""
        return {"source": str(self.root), "aws": msgspec.to_builtins(Aws())}

    def _chosen(self, selection: Selection) -> Iterator[LogObject]:
        for path, status in self._walk(self.root):
            if selection.takes(path):
                modified = dt.datetime.fromtimestamp(status.st_mtime_ns // 10**9, dt.UTC)
                yield LogObject(BUCKET, path, _etag(status), status.st_size, modified)

    def _walk(self, place: Path) -> Iterator[tuple[str, os.stat_result]]:
        """Regular files below a place with their status, in the order of their names."""
        if not place.is_dir():
            yield place.as_posix(), place.stat()
            return
        folders = [place.as_posix()]
        while folders:
            deeper = []
            for entry in self._entries(folders.pop()):
                if entry.is_dir(follow_symlinks=False):
                    deeper.append(entry.path)
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


def _etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _denied(where: str, error: OSError) -> SourceDenied:
    return SourceDenied(
        f"it may not be read: {error.strerror}",
        where=where,
        mend="give this user the right to read it",
    )


def _near(path: Path) -> str:
    """Name what exists beside a path that doesn't, or beside an empty folder."""
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
