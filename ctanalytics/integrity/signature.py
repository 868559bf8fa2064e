"""Does one digest hold: read strictly, in its place, and signed by AWS."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ctanalytics.integrity import keys as key_rings
from ctanalytics.integrity.keys import Keys
from ctanalytics.integrity.verdict import Verdict, parsed_time
from ctanalytics.lake.inflate import GZIP_MAGIC, inflate
from ctanalytics.records import digest as form
from ctanalytics.records import object_key

MAX_DIGEST_BYTES: Final = 256 * 1024 * 1024
"""Uncompressed; a digest of an hour with a hundred thousand files takes 40 MB."""

_BACKFILL_SLACK: Final = dt.timedelta(hours=1)
_LATE: Final = dt.timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Link:
    """What a digest says about the one before it."""

    bucket: str
    key: str
    sha256: str | None
    signature: str | None


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict about one digest."""

    verdict: Verdict
    detail: str = ""
    digest: form.Digest | None = None
    sha256: str | None = None
    trusted: bool = False
    """Whether what the digest says may be relied on: the signature holds, in the right place."""

    @property
    def link(self) -> Link | None:
        """What it says about the digest before it; None when that may not be relied on."""
        found = self.digest
        if not self.trusted or found is None or not found.previous_key:
            return None
        return Link(
            found.previous_bucket or found.bucket,
            found.previous_key,
            found.previous_sha256,
            found.previous_signature,
        )


def judge(
    data: bytes,
    metadata: Mapping[str, str],
    *,
    keys: Keys,
    place: tuple[str | None, str | None],
    successors: tuple[Link, ...] = (),
) -> Judged:
    """Judge a digest file.

    Args:
        data: the object as it is stored.
        metadata: its S3 object metadata, names in lower case; empty when a copy lost it.
        place: bucket and key it was delivered to, as the place where it was read tells; None
            where that place can't tell.
        successors: what digests that hold say about this one.
    """
    inflated = inflate(data, max_bytes=MAX_DIGEST_BYTES)
    if inflated.reason == "truncated":
        return Judged("truncated", inflated.detail)
    if inflated.reason == "too_large":
        return Judged("unreadable", inflated.detail)
    if inflated.reason == "corrupt" or not data.startswith(GZIP_MAGIC):
        return Judged("modified", "invalid format: it is no gzip file")
    content = inflated.content
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        digest = form.parse(content)
    except ValueError as error:
        return Judged("modified", f"invalid format: {error}", sha256=sha256)
    fault = _placed(digest, place) or _signed(digest, content, sha256, metadata, keys, successors)
    if fault is not None:
        return Judged(*fault, digest, sha256)
    if inflated.reason == "trailing_data":
        return Judged("trailing data", inflated.detail, digest, sha256, trusted=True)
    return Judged("valid", "", digest, sha256, trusted=True)


def span_of(digest: form.Digest) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the delivery times that a digest covers; None when they make no span."""
    since, until = parsed_time(digest.start_time), parsed_time(digest.end_time)
    if since is None or until is None or since > until:
        return None
    return since, until


Fault = tuple[Verdict, str]


def _placed(digest: form.Digest, place: tuple[str | None, str | None]) -> Fault | None:
    bucket, key = place
    if key is not None and digest.key != key:
        return "moved", "has been moved from its original location"
    if bucket is not None and digest.bucket != bucket:
        return "moved", "has been moved from its original location"
    return None


def _signed(
    digest: form.Digest,
    content: bytes,
    sha256: str,
    metadata: Mapping[str, str],
    keys: Keys,
    successors: tuple[Link, ...],
) -> Fault | None:
    span = span_of(digest)
    if span is None:
        return "modified", "invalid format: its times can't be understood"
    window = _key_window(span, object_key.parse(digest.key).backfill, metadata)
    if window is None:
        return "bad signature", "its metadata lacks backfill-generation-timestamp"
    region = object_key.parse(digest.key).aws_region or ""
    key = key_rings.find(keys, region, digest.fingerprint, *window)
    if key is None:
        said = f"public key not found in region {region} for fingerprint {digest.fingerprint}"
        return "unknown key", said
    for link in successors:
        if link.sha256 and link.sha256.lower() != sha256:
            return "modified", "its content is not what the digest after it says"
    own = metadata.get("signature")
    told = [link.signature for link in successors if link.signature]
    signature = own or next(iter(told), None)
    if signature is None:
        return "bad signature", "there is no signature: the object's metadata lacks it"
    algorithm = metadata.get("signature-algorithm")
    if own and algorithm != form.SIGNATURE_ALGORITHM:
        return "bad signature", f"the signature's algorithm is {algorithm!r}"
    if not form.verify(key, signature, form.signing_string(digest, content)):
        return "bad signature", "signature verification failed"
    if any(other.lower() != signature.lower() for other in told):
        return "bad signature", "its signature is not the one that the digest after it names"
    return None


def _key_window(
    span: tuple[dt.datetime, dt.datetime], backfill: bool, metadata: Mapping[str, str]
) -> tuple[dt.datetime, dt.datetime] | None:
    """When the key had to be valid; None when a backfill digest does not say when it was made."""
    if not backfill:
        return span[0], span[1] + key_rings.SLACK
    made = parsed_time(metadata.get("backfill-generation-timestamp"))
    if made is not None:
        return made - _BACKFILL_SLACK, made + _BACKFILL_SLACK
    return None if metadata else (span[0], span[1] + _LATE)
