"""What a file or a span of time turned out to be, in the one vocabulary that all parts use."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["digest", "log", "gap"]
Verdict = Literal[
    "valid",
    "modified",
    "missing",
    "trailing data",
    "truncated",
    "moved",
    "bad signature",
    "unknown key",
    "unreadable",
    "unlisted",
    "pending",
    "uncovered",
]

MEANINGS: Final[dict[Verdict, str]] = {
    "valid": "the content is what a signed digest says, or a digest whose signature holds",
    "modified": "the content is not what was delivered",
    "missing": "a digest names it, and it is not there",
    "trailing data": "bytes follow the content that the digest vouches for",
    "truncated": "the compressed file ends early",
    "moved": "it lies in another place than the one it was delivered to",
    "bad signature": "the signature of the digest does not hold, or there is none",
    "unknown key": "no public key of AWS fits the digest",
    "unreadable": "it could not be read, so nothing is known about it",
    "unlisted": "no digest of its hours lists this file: AWS did not deliver it",
    "pending": "delivered so lately that the next digest will list it",
    "uncovered": "no digest that holds covers it: nothing vouches for it",
}
"""Every verdict and what it means."""

VERDICTS: Final = tuple(MEANINGS)

HARMLESS: Final = frozenset(("valid", "pending"))
"""Verdicts that are no finding."""

_PHRASES: Final[dict[tuple[Kind, Verdict], str]] = {
    ("digest", "missing"): "not found",
    ("digest", "moved"): "has been moved from its original location",
    ("digest", "bad signature"): "signature verification failed",
    ("log", "missing"): "not found",
    ("log", "moved"): "not found",
    ("log", "modified"): "hash value doesn't match",
    ("log", "trailing data"): "unexpected data after end of compressed stream",
    ("log", "truncated"): "invalid format",
}
"""How `aws cloudtrail validate-logs` puts it, where it knows the case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One digest or log file that was checked, or a span without a digest that holds."""

    kind: Kind
    verdict: Verdict
    detail: str = ""
    bucket: str = ""
    """Where AWS delivered it, as far as that is known."""
    key: str = ""
    stored_bucket: str = ""
    """Where it was read: as the ledger names it, "file" for a local path."""
    stored_key: str = ""
    account_id: str | None = None
    aws_region: str | None = None
    trail: str | None = None
    backfill: bool = False
    stamp: dt.datetime | None = None
    """When a log file was delivered; a digest's end."""
    since: dt.datetime | None = None
    """Span of a digest or a gap, in delivery times."""
    until: dt.datetime | None = None
    log_files: int | None = None
    """How many log files a digest lists."""
    sha256: str | None = None
    """Of the uncompressed content as it was read; None when it was not."""
    etag: str | None = None
    oldest_event_time: dt.datetime | None = None
    newest_event_time: dt.datetime | None = None
    digest_bucket: str | None = None
    """The digest that lists a log file."""
    digest_key: str | None = None

    @property
    def is_finding(self) -> bool:
        """Whether somebody should look at it."""
        return self.verdict not in HARMLESS

    @property
    def location(self) -> str:
        """Where it is, for a person."""
        if self.stored_bucket == "file":
            return self.stored_key
        return f"s3://{self.stored_bucket or self.bucket}/{self.stored_key or self.key}"


def line(checked: Checked) -> str:
    """Put it as `aws cloudtrail validate-logs` does, with our verdict as a last column.

    A gap of which nothing else is known is the sentence that it uses too.
    """
    if checked.kind == "gap":
        return _gap(checked)
    before = "(backfill) " if checked.backfill and checked.kind == "digest" else ""
    what = "Digest file" if checked.kind == "digest" else "Log file"
    where = f"s3://{checked.bucket}/{checked.key}" if checked.bucket else checked.location
    start = f"{before}{what}\t{where}\t"
    if not checked.is_finding:
        return start + checked.verdict
    phrase = _PHRASES.get((checked.kind, checked.verdict)) or checked.detail or "invalid"
    return f"{start}INVALID: {phrase}\t{checked.verdict}"


def _gap(checked: Checked) -> str:
    since, until = utc_text(checked.since), utc_text(checked.until)
    where = " ".join(filter(None, (checked.account_id, checked.aws_region, checked.trail)))
    return (
        f"No log files were delivered by CloudTrail between {since} and {until}"
        if checked.detail == OFF
        else f"No digest vouches for {since} to {until}: {checked.detail}"
    ) + f"\t{where}\t{checked.verdict}"


OFF: Final = "logging or log file validation was off"


def utc_text(time: dt.datetime | None) -> str:
    """Show a time as CloudTrail writes it."""
    return f"{time.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}" if time else "?"


def parsed_time(text: str | None) -> dt.datetime | None:
    """Read a time of a digest; None when there is none or it can't be read."""
    if not text:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or dt.UTC).astimezone(dt.UTC)
