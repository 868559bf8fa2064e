"""The format of CloudTrail's digest files: content, signing string, signature, public keys.

Source: AWS CloudTrail User Guide, "CloudTrail digest file structure" and "Custom implementations
of CloudTrail log file integrity validation".
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

T = TypeVar("T")

HASH_ALGORITHM: Final = "SHA-256"
SIGNATURE_ALGORITHM: Final = "SHA256withRSA"

METADATA_SUFFIX: Final = ".metadata.json"
"""A digest's S3 object metadata, which holds its signature, beside a copy of the digest."""

PUBLIC_KEYS_FILE: Final = "public-keys.json"
"""The public keys of all regions, at the root of a copy."""


class LogFile(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "bucket": "s3Bucket",
        "key": "s3Object",
        "sha256": "hashValue",
        "hash_algorithm": "hashAlgorithm",
        "newest_event_time": "newestEventTime",
        "oldest_event_time": "oldestEventTime",
    },
):
    """One log file as a digest lists it."""

    bucket: str
    key: str
    sha256: str
    """Hex, of the uncompressed content."""
    hash_algorithm: str = HASH_ALGORITHM
    newest_event_time: str | None = None
    oldest_event_time: str | None = None


class Digest(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "account_id": "awsAccountId",
        "start_time": "digestStartTime",
        "end_time": "digestEndTime",
        "bucket": "digestS3Bucket",
        "key": "digestS3Object",
        "fingerprint": "digestPublicKeyFingerprint",
        "signature_algorithm": "digestSignatureAlgorithm",
        "newest_event_time": "newestEventTime",
        "oldest_event_time": "oldestEventTime",
        "previous_bucket": "previousDigestS3Bucket",
        "previous_key": "previousDigestS3Object",
        "previous_sha256": "previousDigestHashValue",
        "previous_hash_algorithm": "previousDigestHashAlgorithm",
        "previous_signature": "previousDigestSignature",
        "log_files": "logFiles",
    },
):
    """One digest file. Times stay the text that AWS wrote: the signature covers that text."""

    account_id: str | None = None
    start_time: str
    """Start of the span of delivery (not event) times."""
    end_time: str
    bucket: str
    key: str
    fingerprint: str
    signature_algorithm: str = SIGNATURE_ALGORITHM
    newest_event_time: str | None = None
    oldest_event_time: str | None = None
    previous_bucket: str | None = None
    previous_key: str | None = None
    previous_sha256: str | None = None
    previous_hash_algorithm: str | None = None
    previous_signature: str | None
    """Null in the first digest of a chain; the field itself must be there."""
    log_files: tuple[LogFile, ...] = ()

    @property
    def starts_chain(self) -> bool:
        """Whether no digest comes before this one."""
        return self.previous_key is None and self.previous_signature is None


class PublicKey(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "region": "Region",
        "fingerprint": "Fingerprint",
        "value": "Value",
        "valid_from": "ValidityStartTime",
        "valid_until": "ValidityEndTime",
    },
):
    """A public key as cloudtrail:ListPublicKeys gives it, with the region that it is for."""

    region: str = ""
    """Empty where it is not known: a raw reply of AWS does not name it."""
    fingerprint: str
    value: bytes
    """DER, PKCS#1 or SubjectPublicKeyInfo."""
    valid_from: dt.datetime
    valid_until: dt.datetime


class _KeyList(msgspec.Struct, frozen=True, rename={"keys": "PublicKeyList"}):
    keys: tuple[PublicKey, ...]


_DIGEST = msgspec.json.Decoder(Digest)
_KEYS = msgspec.json.Decoder(_KeyList, strict=False)  # some tools write times as seconds
_METADATA = msgspec.json.Decoder(dict[str, str])


def build(digest: Digest) -> bytes:
    """Return the uncompressed content of a digest file."""
    return msgspec.json.encode(digest)


def parse(content: bytes) -> Digest:
    """Read the uncompressed content of a digest file.

    Raises:
        ValueError: it is not JSON, or lacks a field that validation needs.
    """
    return _decode(_DIGEST, content)


def signing_string(digest: Digest, content: bytes) -> bytes:
    """Return the bytes that the signature of a digest covers.

    Args:
        content: the uncompressed bytes that `digest` was read from, never JSON written again.
    """
    return "\n".join(
        (
            digest.end_time,
            f"{digest.bucket}/{digest.key}",
            hashlib.sha256(content).hexdigest(),
            "null" if digest.previous_signature is None else digest.previous_signature,
        )
    ).encode()


def sign(key: RSAPrivateKey, text: bytes) -> str:
    """Sign a signing string; the signature is hex, as in the object's metadata."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return key.sign(text, PKCS1v15(), SHA256()).hex()


def verify(key: RSAPublicKey, signature: str, text: bytes) -> bool:
    """Tell whether a hex signature fits a signing string; any text is accepted."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(bytes.fromhex(signature), text, PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature):
        return False
    return True


def fingerprint(der: bytes) -> str:
    """Return the fingerprint by which digests name a key: hex MD5 of its DER bytes."""
    return hashlib.md5(der, usedforsecurity=False).hexdigest()


def public_key_der(key: RSAPublicKey) -> bytes:
    """Return a key in PKCS#1 DER, the form that AWS documents."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)


def load_public_key(der: bytes) -> RSAPublicKey:
    """Read an RSA key in PKCS#1 or SubjectPublicKeyInfo DER; AWS has given out both.

    Raises:
        ValueError: it is neither, or not RSA.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(der)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the key is not an RSA key")
    return key


def build_metadata(signature: str, *, backfilled_at: str | None = None) -> bytes:
    """Return what stands in the `.metadata.json` beside a digest: its S3 object metadata.

    Args:
        backfilled_at: of a backfill digest, `2025-05-20T00:00:00.000Z`.
    """
    metadata = {"signature": signature, "signature-algorithm": SIGNATURE_ALGORITHM}
    if backfilled_at is not None:
        metadata["backfill-generation-timestamp"] = backfilled_at
    return msgspec.json.encode(metadata)


def parse_metadata(content: bytes) -> Mapping[str, str]:
    """Read a `.metadata.json`; names come back in lower case, as boto3 gives them.

    Raises:
        ValueError: it is not a JSON object of texts.
    """
    return {name.lower(): value for name, value in _decode(_METADATA, content).items()}


def build_public_keys(keys: Iterable[PublicKey]) -> bytes:
    """Return a `public-keys.json`: ListPublicKeys' reply, each key with its region."""
    return msgspec.json.format(msgspec.json.encode(_KeyList(tuple(keys))), indent=2) + b"\n"


def parse_public_keys(content: bytes) -> tuple[PublicKey, ...]:
    """Read a `public-keys.json`.

    Raises:
        ValueError: it is not one.
    """
    return _decode(_KEYS, content).keys


def _decode(decoder: msgspec.json.Decoder[T], content: bytes) -> T:
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
