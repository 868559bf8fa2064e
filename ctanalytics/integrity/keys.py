"""The public keys of CloudTrail: from files that were kept, or asked of AWS."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from ctanalytics import aws as amazon
from ctanalytics import settings
from ctanalytics.aws_errors import SOURCE, aws_errors
from ctanalytics.errors import UsageError, reason
from ctanalytics.records import digest as form

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

SLACK: Final = dt.timedelta(hours=2)
"""A digest may be signed with the key that becomes valid just after its end."""

_DAY: Final = dt.timedelta(days=1)


class Keys(Protocol):
    """Where public keys come from."""

    @property
    def origin(self) -> str:
        """What the keys are trusted for, for a person."""
        ...

    def candidates(
        self, region: str, since: dt.datetime, until: dt.datetime
    ) -> Sequence[form.PublicKey]:
        """Return the keys of a region that may be valid in a span.

        Raises:
            SourceError: AWS can't be asked.
        """
        ...


@dataclass(frozen=True)
class KeyFiles:
    """Keys kept in files, as `ListPublicKeys` gave them or as `simulate` writes them."""

    keys: tuple[form.PublicKey, ...]
    origin: str

    @classmethod
    def read(cls, paths: Iterable[Path]) -> KeyFiles:
        """Read key files.

        Raises:
            UsageError: a file can't be read, or holds a key that is not what its fingerprint says.
        """
        found: list[form.PublicKey] = []
        names = [str(path) for path in paths]
        for name in names:
            try:
                keys = form.parse_public_keys(Path(name).read_bytes())
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"the public keys can't be read: {reason(error)}",
                    where=name,
                    mend="save the reply of `aws cloudtrail list-public-keys` of each region",
                ) from error
            for key in keys:
                if form.fingerprint(key.value) != key.fingerprint.lower():
                    raise UsageError(
                        f"the key {key.fingerprint} has another fingerprint",
                        where=name,
                        mend="save the file again; it was altered",
                    )
            found += keys
        return cls(tuple(found), ", ".join(names))

    def candidates(
        self, region: str, since: dt.datetime, until: dt.datetime
    ) -> Sequence[form.PublicKey]:
        """See `Keys`. A key without a region counts for all: a raw reply of AWS names none."""
        return [
            key
            for key in self.keys
            if key.region in ("", region) and key.valid_from <= until and key.valid_until >= since
        ]


@dataclass
class AwsKeys:
    """Keys asked of CloudTrail in the region of each digest, a stretch of days at a time."""

    aws: settings.Aws
    origin: str = "cloudtrail:ListPublicKeys"
    _known: dict[str, tuple[dt.datetime, dt.datetime, tuple[form.PublicKey, ...]]] = field(
        default_factory=dict
    )
    _told: list[form.PublicKey] = field(default_factory=list)
    _asking: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def candidates(
        self, region: str, since: dt.datetime, until: dt.datetime
    ) -> Sequence[form.PublicKey]:
        """See `Keys`."""
        with self._asking:
            known = self._known.get(region)
            if known is None or since < known[0] or until > known[1]:
                begin = min(since, known[0]) if known else since - 7 * _DAY
                end = max(until, known[1]) if known else until + _DAY
                known = (begin, end, self._ask(region, begin, end))
                self._known[region] = known
        return [key for key in known[2] if key.valid_from <= until and key.valid_until >= since]

    def seen(self) -> tuple[form.PublicKey, ...]:
        """All keys that were asked for so far, to be kept for a check without AWS."""
        return (*(key for _, _, keys in self._known.values() for key in keys), *self._told)

    def remember(self, keys: Iterable[form.PublicKey]) -> None:
        """Take note of keys that workers have asked for, each once."""
        known = {(key.region, key.fingerprint) for key in self.seen()}
        self._told += [key for key in keys if (key.region, key.fingerprint) not in known]

    def _ask(self, region: str, begin: dt.datetime, end: dt.datetime) -> tuple[form.PublicKey, ...]:
        with aws_errors(f"cloudtrail:ListPublicKeys in {region}", SOURCE):
            client = amazon.client("cloudtrail", self.aws, region=region)
            reply = client.list_public_keys(StartTime=begin, EndTime=end)
        return tuple(
            form.PublicKey(
                region=region,
                fingerprint=key["Fingerprint"],
                value=key["Value"],
                valid_from=key["ValidityStartTime"].astimezone(dt.UTC),
                valid_until=key["ValidityEndTime"].astimezone(dt.UTC),
            )
            for key in reply.get("PublicKeyList", [])
        )


def find(
    keys: Keys, region: str, fingerprint: str, since: dt.datetime, until: dt.datetime
) -> RSAPublicKey | None:
    """Return the key of a fingerprint that was valid in a span; None when there is none."""
    for key in keys.candidates(region, since, until):
        if key.fingerprint.lower() != fingerprint.lower():
            continue
        if form.fingerprint(key.value) != fingerprint.lower():
            continue
        try:
            return form.load_public_key(key.value)
        except ValueError:
            continue
    return None
