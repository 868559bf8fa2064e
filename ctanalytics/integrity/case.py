"""The form of a case bundle: a zip file whose manifest names everything in it.

```
manifest.json     what was asked, of which lake, when; every member with its SHA-256
rows.ndjson       the rows, one JSON object a line
anomaly.json      the anomaly that the rows belong to, where there is one
logs/             the log files the rows come from, as they lie in the bucket
digests/          the digest files that list them, each with its S3 metadata beside it
public-keys.json  the keys that the digests are signed with
README.txt        how to check it
```
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from ctanalytics import whole
from ctanalytics.errors import CaseError

FORMAT: Final = "ctanalytics-case"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
ROWS: Final = "rows.ndjson"
ANOMALY: Final = "anomaly.json"
KEYS: Final = "public-keys.json"
README: Final = "README.txt"

MAX_MEMBER_BYTES: Final = 1024 * 1024 * 1024
_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the same content makes the same file

README_TEXT: Final = """This is a case bundle of CloudTrail records, made by ctanalytics.

    ctanalytics bundle verify THIS-FILE --public-keys KEYS

checks it without any network: that no member was altered, that each log file is what the signed
digest says, that each digest's signature holds, and that each row stands in its log file.
KEYS is the reply of `aws cloudtrail list-public-keys`, kept from elsewhere; without it the keys in
this file are used, which prove nothing against whoever made it.
"""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the bundle."""

    name: str
    size_bytes: int
    sha256: str


class DigestMember(msgspec.Struct, frozen=True, kw_only=True):
    """A digest file, and where AWS delivered it."""

    member: str
    bucket: str | None
    key: str
    verdict: str
    """What validation had found when the bundle was made."""


class LogMember(msgspec.Struct, frozen=True, kw_only=True):
    """A log file that rows come from."""

    source_object: str
    """What the rows name it by."""
    member: str | None
    """None: it could not be read any more."""
    key: str
    """Where AWS delivered it."""
    sha256: str | None
    """Of the content that was ingested, uncompressed."""
    verdict: str | None
    digest: str | None
    """The member that is the digest which lists it."""
    detail: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle holds and where it comes from."""

    format: str = FORMAT
    version: int = VERSION
    created_at: str
    made_by: str
    lake: str
    anomaly_id: str | None
    sql: str
    rows: int
    rows_in_all: int
    """How many rows there are in the lake; more than `rows` when the bundle was cut."""
    keys_from: str
    logs: tuple[LogMember, ...]
    digests: tuple[DigestMember, ...]
    members: tuple[Member, ...] = ()


@dataclass
class Writer:
    """Writes the members of a bundle one by one."""

    archive: zipfile.ZipFile
    members: list[Member] = field(default_factory=list)

    def add(self, name: str, data: bytes) -> None:
        """Add one member."""
        self._write(name, data)
        self.members.append(
            Member(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        )

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest, which names all members."""
        named = msgspec.structs.replace(manifest, members=tuple(self.members))
        self._write(MANIFEST, msgspec.json.format(msgspec.json.encode(named), indent=2))

    def _write(self, name: str, data: bytes) -> None:
        entry = zipfile.ZipInfo(name, _DATE)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o600 << 16
        self.archive.writestr(entry, data)


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Write a bundle whole or not at all, for its owner alone.

    Raises:
        CaseError: it can't be written.
    """
    try:
        with whole.replacing(path) as stream, zipfile.ZipFile(stream, "w") as archive:
            yield Writer(archive)
    except OSError as error:
        raise _unwritable(path, error) from error


@dataclass
class Case:
    """A bundle that is read; nothing of it is written to a disk."""

    archive: zipfile.ZipFile
    manifest: Manifest

    def read(self, name: str) -> bytes | None:
        """Return a member's bytes; None when it is absent, damaged or too large."""
        try:
            entry = self.archive.getinfo(name)
            if entry.file_size > MAX_MEMBER_BYTES:
                return None
            with self.archive.open(entry) as stream:
                data = stream.read(MAX_MEMBER_BYTES + 1)
        except (KeyError, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError):
            return None
        except RuntimeError:  # encrypted, or packed in a way that is not known
            return None
        return data if len(data) == entry.file_size else None

    def names(self) -> list[str]:
        """The names of all entries, doubles included."""
        return [entry.filename for entry in self.archive.infolist()]


@contextmanager
def reading(path: Path) -> Iterator[Case]:
    """Open a bundle.

    Raises:
        CaseError: it is none, or of a later version.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise CaseError(
            f"this is no case bundle: {error}", where=str(path), mend="name a file that bundle made"
        ) from error
    with archive:
        case = Case(archive, _NOTHING)
        data = case.read(MANIFEST)
        try:
            manifest = msgspec.json.decode(data or b"", type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CaseError(
                f"its manifest can't be read: {error}", where=str(path), mend="get the file again"
            ) from error
        if manifest.format != FORMAT or manifest.version > VERSION:
            raise CaseError(
                f"its form is {manifest.format} {manifest.version}, this ctanalytics reads "
                f"{FORMAT} up to {VERSION}",
                where=str(path),
                mend="install a newer ctanalytics",
            )
        yield Case(archive, manifest)


_NOTHING = Manifest(
    created_at="",
    made_by="",
    lake="",
    anomaly_id=None,
    sql="",
    rows=0,
    rows_in_all=0,
    keys_from="",
    logs=(),
    digests=(),
)


def _unwritable(path: Path, error: OSError) -> CaseError:
    return CaseError(
        f"the bundle can't be written: {error.strerror}",
        where=str(path),
        mend="name another file with --output",
    )
