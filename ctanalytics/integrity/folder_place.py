"""A folder that holds a copy of a bucket, each digest with its metadata beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ctanalytics.errors import SourceDenied, SourceError, SourceMissing
from ctanalytics.integrity.place import Entry, Stored, Version
from ctanalytics.records import digest as form
from ctanalytics.records import object_key
from ctanalytics.records.object_key import LOG_KINDS
from ctanalytics.sources.base import Unread

BUCKET = "file"


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """See `place.Place`; keys are absolute paths, symbolic links out of the folder are not read."""

    name: str
    root: str
    bucket: str = BUCKET

    @classmethod
    def open(cls, text: str) -> FolderPlace:
        """Return the place at a path.

        Raises:
            SourceMissing: there is no such folder.
        """
        try:
            path = Path(text).resolve(strict=True)
        except OSError as error:
            raise SourceMissing(
                "there is no such folder", where=text, mend="check the path"
            ) from error
        if not path.is_dir():
            raise SourceMissing(
                "this is no folder", where=text, mend="name the folder that holds AWSLogs/"
            )
        return cls(text, path.as_posix().rstrip("/") + "/")

    def folders(self, prefix: str) -> list[str]:
        """See `place.Place`."""
        return sorted(entry.name for entry in self._entries(prefix) if self._is_folder(entry))

    def files(self, prefix: str, *, first: str = "", last: str = "") -> Iterator[Entry]:
        """See `place.Place`."""
        for entry in sorted(self._entries(prefix), key=_as_s3_sorts):
            path = entry.path
            if self._is_folder(entry):
                inner = f"{path}/"
                if (first and inner < first[: len(inner)]) or _beyond(inner, last):
                    continue
                yield from self.files(inner, first=first, last=last)
            elif not _is_companion(entry.name) and path >= first and not _beyond(path, last):
                try:
                    status = entry.stat()
                except OSError:
                    continue  # removed while we listed
                yield Entry(path, f"{status.st_size}-{status.st_mtime_ns}", status.st_size)

    def read(self, bucket: str, key: str) -> Stored | Unread:  # noqa: ARG002 - one folder
        """See `place.Place`; the bucket is always this folder."""
        path = Path(key)
        try:
            if not path.resolve().is_relative_to(_account_folder(self.root)):
                return Unread("denied", "a symbolic link leads out of the folder")
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                data = file.read()
            beside = path.with_name(path.name + form.METADATA_SUFFIX) if _is_digest(path) else None
            found = form.parse_metadata(beside.read_bytes()) if beside and beside.is_file() else {}
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return Unread("gone", "the file is not there")
        except ValueError:
            found = {}
        except OSError as error:
            return Unread("denied", f"the file can't be read: {error.strerror}")
        return Stored(data, f"{status.st_size}-{status.st_mtime_ns}", found)

    def etag(self, bucket: str, key: str) -> str | None:  # noqa: ARG002 - one folder
        """See `place.Place`."""
        try:
            status = os.stat(key)  # noqa: PTH116 - a Path takes longer, of very many files
        except (OSError, ValueError):
            return None
        return f"{status.st_size}-{status.st_mtime_ns}"

    def versions(self, bucket: str, key: str) -> list[Version]:  # noqa: ARG002 - a folder has none
        """See `place.Place`: a folder has none."""
        return []

    def read_version(self, bucket: str, key: str, version_id: str) -> bytes | None:  # noqa: ARG002 - a folder has none
        """See `place.Place`."""
        return None

    def _entries(self, prefix: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(prefix) as entries:
                return [entry for entry in entries if not entry.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError as error:
            raise SourceDenied(
                "the folder may not be read", where=prefix, mend="give this user the right to"
            ) from error
        except OSError as error:
            raise SourceError(
                f"the folder can't be listed: {error.strerror}", where=prefix, mend="check the disk"
            ) from error

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        return entry.is_dir(follow_symlinks=False)


def _account_folder(root: str) -> str:
    """The folder of the account when only some of its files were named: digests, a region."""
    parts = root.split("/")
    kind = next((place for place, name in enumerate(parts) if name in LOG_KINDS), len(parts))
    return "/".join(parts[:kind]) or "/"


def _is_digest(path: Path) -> bool:
    return object_key.parse(path.name).kind == "digest"


def _as_s3_sorts(entry: os.DirEntry[str]) -> str:
    """A bucket sorts whole keys: a folder's name counts with its slash."""
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _is_companion(name: str) -> bool:
    return name.endswith(form.METADATA_SUFFIX)


def _beyond(key: str, last: str) -> bool:
    return bool(last) and key[: len(last)] > last
