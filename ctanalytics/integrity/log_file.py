"""One log file against what a digest says about it."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Final

from ctanalytics.integrity.place import Place, Stored
from ctanalytics.integrity.verdict import Checked, Verdict
from ctanalytics.lake.inflate import GZIP_MAGIC, inflate
from ctanalytics.records import digest as form
from ctanalytics.sources.base import Unread

MAX_BYTES: Final = 1024 * 1024 * 1024
"""Uncompressed; CloudTrail's own limit is 50 MB."""

_REPAIRABLE: Final = frozenset(("modified", "missing", "trailing data", "truncated"))


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, read strictly."""

    sha256: str | None
    verdict: Verdict | None
    """A fault of the file itself; None when there is none."""
    detail: str = ""


def check(place: Place, expected: form.LogFile, base: Checked) -> Checked:
    """Read a log file and compare it with its digest's entry.

    Args:
        base: everything that is known about the file; `stored_bucket` and `stored_key` say where
            it is read.
    """
    if expected.hash_algorithm != form.HASH_ALGORITHM:
        said = f"the digest names a hash that is not known: {expected.hash_algorithm}"
        return dataclasses.replace(base, verdict="unreadable", detail=said)
    stored = place.read(base.stored_bucket, base.stored_key)
    found = compared(stored, expected.sha256, base)
    if found.verdict in _REPAIRABLE:
        return _with_history(place, expected.sha256, found)
    return found


def compared(stored: Stored | Unread, sha256: str, base: Checked) -> Checked:
    """Compare a file that was read with the hash it must have."""
    if isinstance(stored, Unread):
        verdict: Verdict = "missing" if stored.reason == "gone" else "unreadable"
        return dataclasses.replace(base, verdict=verdict, detail=stored.detail)
    content = content_of(stored.data)
    same = content.sha256 == sha256.lower()
    verdict, detail = content.verdict or "valid", content.detail
    if content.sha256 is not None and not same:
        verdict, detail = "modified", "hash value doesn't match"
    return dataclasses.replace(
        base, verdict=verdict, detail=detail, sha256=content.sha256, etag=stored.etag
    )


def content_of(data: bytes) -> Content:
    """Inflate a file with the reader that ingest uses, and hash what it holds."""
    inflated = inflate(data, max_bytes=MAX_BYTES)
    if inflated.reason == "truncated":
        return Content(None, "truncated", inflated.detail)
    if inflated.reason == "too_large":
        return Content(None, "unreadable", inflated.detail)
    if inflated.reason == "corrupt":
        return Content(None, "modified", f"invalid format: {inflated.detail}")
    sha256 = hashlib.sha256(inflated.content).hexdigest()
    if inflated.reason == "trailing_data":
        return Content(sha256, "trailing data", inflated.detail)
    if not data.startswith(GZIP_MAGIC):
        return Content(sha256, "modified", "invalid format: it is not compressed any more")
    return Content(sha256, None)


def _with_history(place: Place, sha256: str, found: Checked) -> Checked:
    """Say which older version of the object is the true one, and who wrote the one after it."""
    versions = place.versions(found.stored_bucket, found.stored_key)
    latest = next((version for version in versions if version.is_latest), None)
    for version in versions:
        if version.is_latest or version.is_delete_marker or latest is None:
            continue
        data = place.read_version(found.stored_bucket, found.stored_key, version.version_id)
        if data is None:
            continue
        content = content_of(data)
        if content.sha256 == sha256.lower() and content.verdict is None:
            what = "deleted" if latest.is_delete_marker else "replaced"
            owner = f" by the account with the canonical id {latest.owner}" if latest.owner else ""
            detail = (
                f"{found.detail}; version {version.version_id} has the content that was delivered, "
                f"{what} at {latest.written_at:%Y-%m-%dT%H:%M:%SZ}{owner}"
            )
            return dataclasses.replace(found, detail=detail)
    return found
