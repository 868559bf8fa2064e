"""Where a file lies now, and where AWS delivered it: the same, or told apart by a prefix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ctanalytics.integrity.place import Place
from ctanalytics.integrity.trails import Home
from ctanalytics.records.digest import Digest


@dataclass(frozen=True, slots=True)
class Locations:
    """Keys of one account's files, there and here."""

    stored_bucket: str
    stored_prefix: str
    bucket: str | None
    """The bucket AWS delivered to; None: not known, any will do."""
    prefix: str
    moved: bool = False
    """Whether the files lie elsewhere than where they were delivered."""

    def original(self, stored_key: str) -> tuple[str | None, str]:
        """Bucket and key of the delivery of a file that lies here."""
        if not self.moved:
            return self.stored_bucket, stored_key
        return self.bucket, self.prefix + stored_key.removeprefix(self.stored_prefix)

    def stored(self, bucket: str, key: str) -> tuple[str, str] | None:
        """Where a delivered file has to lie now; None when this place can't hold it."""
        if not self.moved:
            return bucket, key
        inner = key.removeprefix(self.prefix)
        odd = any(part in ("", ".", "..") for part in inner.split("/")) or "\x00" in key
        if odd or not key.startswith(self.prefix):
            return None
        if self.bucket is not None and bucket != self.bucket:
            return None
        return self.stored_bucket, self.stored_prefix + inner


def told(place: Place, home: Home, original: tuple[str, str]) -> Locations:
    """Locations of a copy whose original bucket and prefix the user names."""
    bucket, prefix = original
    before = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    inner = home.path.removeprefix(place.root)
    return Locations(place.bucket, home.path, bucket, before + inner, moved=True)


def in_place(place: Place, home: Home) -> Locations:
    """Locations of a bucket that the trail delivers to."""
    return Locations(place.bucket, home.path, place.bucket, home.path)


def learned(place: Place, home: Home, digests: Iterable[tuple[str, Digest]]) -> Locations:
    """Locations of a folder, from what a digest in it says about itself.

    Args:
        digests: stored key and content; the first that lies under its own name tells, and the
            others are held to it.
    """
    for stored_key, digest in digests:
        inner = stored_key.removeprefix(home.path)
        tail = f"{home.account_id}/{inner}" if home.account_id else inner
        if digest.key == tail or digest.key.endswith(f"/{tail}"):
            prefix = digest.key.removesuffix(inner)
            return Locations(place.bucket, home.path, None, prefix, moved=True)
    guess = _after_logs(home.path)
    return Locations(place.bucket, home.path, None, guess, moved=True)


def _after_logs(path: str) -> str:
    parts = path.split("/")
    if "AWSLogs" not in parts:
        return ""
    return "/".join(parts[len(parts) - 1 - parts[::-1].index("AWSLogs") :])
