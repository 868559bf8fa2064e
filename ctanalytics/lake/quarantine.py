"""Why objects and records are set aside: the words of the column `reason`, and what to do."""

from __future__ import annotations

from typing import Final

REASONS: Final = {
    "truncated": (
        "the gzip stream or archive ends early; the object is set aside whole",
        "fetch it again from where it is whole, then `--retry`",
    ),
    "corrupt": (
        "the gzip stream, base64 text or archive is damaged; the object is set aside whole",
        "fetch it again, then `--retry`; compare it with its digest: `ctanalytics validate`",
    ),
    "too_large": (
        "more bytes than ingest.max_object_bytes, max_decompressed_bytes or max_expansion allow",
        "look at it; if it is a log, raise the setting (and ingest.memory_bytes) and `--retry`",
    ),
    "trailing_data": (
        "bytes follow the gzip member that holds the log; the log itself is read",
        "no digest vouches for such bytes: find out who wrote the object",
    ),
    "not_json": (
        "a record, or the whole object, is damaged JSON",
        "fetch it again, then `--retry`; the other records of the object are rows",
    ),
    "not_utf8": (
        "a record holds bytes that are no UTF-8",
        "fetch it again, then `--retry`",
    ),
    "not_cloudtrail": (
        "JSON, but no CloudTrail record: the detail tells which keys it has",
        "name a narrower source; a file of another tool stays set aside, and harms nothing",
    ),
    "not_config_item": (
        "an item in a file of AWS Config that names no type or id of a resource",
        "look at it; the other items of the file are rows",
    ),
    "unknown_version": (
        "a record of a major version that this ctanalytics does not know",
        "install a newer ctanalytics, then `--retry`",
    ),
    "encrypted": (
        "a member of an archive is encrypted",
        "unpack the archive yourself, and ingest the folder",
    ),
    "nested_archive": (
        "an archive within an archive",
        "unpack the outer archive yourself, and ingest the folder",
    ),
    "unsupported": (
        "a member of an archive that is sparse, or compressed in another way than usual",
        "unpack the archive yourself, and ingest the folder",
    ),
    "message": (
        "a message of the queue that can't be understood, or names a bucket that is no source",
        "look at its body in lake.quarantine; name the bucket as a source if it is one",
    ),
}
"""Reason -> what it says, and what helps. `--retry` reads an object again from its source."""
