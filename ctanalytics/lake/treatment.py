"""What the settings do to records on their way to rows: some values are hidden, some rows left out.

A treatment is made anew in each worker from its spec. The key of the hashes is never part of the
spec, of a plan or of the ledger: a worker reads it where the settings say.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from ctanalytics.errors import SettingsError
from ctanalytics.lake import drop
from ctanalytics.lake.forgotten import Forgotten
from ctanalytics.lake.redact import Redactor, UnscannableError, rules
from ctanalytics.lake.redact_records import RecordRedactor
from ctanalytics.settings import Drop, Settings

FORGOTTEN_RULE: Final = "forgotten"
"""Under this name records are counted that an erasure request takes out."""

_NOT_KEPT: Final = b"(not kept: the lake has erasure requests to keep to)"
KEY_VARIABLE: Final = "CTANALYTICS_REDACT_KEY"
_SHORTEST_KEY: Final = 16


@dataclass
class Treatment:
    """What is hidden, and what is left out.

    Args:
        redactor: None hides nothing.
        drops: rules that leave records out.
        forgotten: erasure requests that new rows are held against.
        key: of hashes, where there is one.
    """

    redactor: RecordRedactor | None = None
    drops: tuple[Drop, ...] = ()
    forgotten: Forgotten = field(default_factory=Forgotten)
    key: bytes | None = field(default=None, repr=False)

    def hide(self, content: bytes, records: list[Any]) -> None:
        """Hide values in the typed records of one file."""
        if self.redactor is not None:
            self.redactor.apply(content, records)

    def hidden(self, record: bytes) -> tuple[bytes, tuple[str, ...]] | None:
        """Return one record's text without what is hidden, and the paths that led to something.

        None when the text is no JSON, so that no path can be followed.
        """
        if self.redactor is None or not self.redactor.redactor.mentions(record):
            return record, ()
        try:
            return self.redactor.redactor.record(record)
        except UnscannableError:
            return None

    def set_aside(self, text: bytes) -> bytes:
        """Return what of a text may be kept in the quarantine."""
        if any(entry["kind"] != "account" for entry in self.forgotten.entries):
            return _NOT_KEPT  # the subject can be known again in a column, not in a broken text
        return text if self.redactor is None else self.redactor.redactor.kept(text)

    def keep(self, events: pa.Table) -> tuple[pa.Table, drop.Dropped]:
        """Return the rows that stay, and what was left out."""
        rows, dropped = drop.drop(events, self.drops)
        rows, gone = self.forget(rows)
        dropped.by_object += gone
        if gone:
            dropped.by_rule[FORGOTTEN_RULE] += gone.total()
        return rows, dropped

    def forget(self, rows: pa.Table) -> tuple[pa.Table, Counter[str]]:
        """Keep to the erasure requests; also returns how many rows of which object they took."""
        if not self.forgotten.entries or not len(rows):
            return rows, Counter()
        return self.forgotten.apply(rows, self._hashed if self.key else None)

    def _hashed(self, value: str) -> str:
        return Redactor((), self.key).hash(value.encode())


def spec(settings: Settings, forgotten: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return what `from_spec` needs, as JSON-able data without secrets.

    Args:
        forgotten: the lake's erasure requests; see `forgotten.entries`.
    """
    return {
        "forgotten": list(forgotten),
        "redact": msgspec.to_builtins(settings.redact),
        "drop": msgspec.to_builtins(settings.ingest.drop),
    }


def from_spec(found: dict[str, Any] | None) -> Treatment:
    """Make a treatment.

    Raises:
        SettingsError: a path or a rule can't be used, or the key is missing.
    """
    if not found:
        return Treatment()
    redact = found["redact"]
    drops = tuple(msgspec.convert(found["drop"], list[Drop]))
    drop.check(drops)
    paths = rules(redact["mask"], redact["hash"])
    requests = tuple(found["forgotten"])
    key = read_key(redact["key_file"]) if redact["hash"] else None
    if key is None and any(entry["action"] == "hash" for entry in requests):
        with contextlib.suppress(SettingsError):  # then it is masked
            key = read_key(redact["key_file"])
    redactor = RecordRedactor(Redactor(paths, key)) if paths else None
    return Treatment(redactor, drops, Forgotten(requests), key)


def digest(settings: Settings) -> str:
    """Return a hash of all settings that shape rows; a ledger row tells with which it was made.

    Of the key it holds a keyed hash of fixed text, which tells two keys apart and no more.
    """
    limits = settings.ingest
    shape: list[Any] = [limits.max_object_bytes, limits.max_decompressed_bytes]
    shape += [limits.max_expansion, sorted(settings.redact.mask), sorted(settings.redact.hash)]
    shape += [msgspec.to_builtins(limits.drop)]
    if settings.redact.hash:
        key = read_key(settings.redact.key_file)
        shape.append(hmac.digest(key, b"ctanalytics: which key", "sha256").hex())
    return hashlib.sha256(msgspec.json.encode(shape)).hexdigest()[:16]


def read_key(key_file: str) -> bytes:
    """Read the key of the hashes from its file, else from the environment.

    Raises:
        SettingsError: there is none, or it is too short to protect anything.
    """
    where = key_file or f"the variable {KEY_VARIABLE}"
    try:
        found = Path(key_file).read_bytes() if key_file else os.environb.get(KEY_VARIABLE.encode())
    except OSError as error:
        raise SettingsError(
            f"the key of redact.hash can't be read: {error.strerror}",
            where=where,
            mend="let redact.key_file name a file that this user may read",
        ) from error
    key = (found or b"").strip()
    if len(key) < _SHORTEST_KEY:
        raise SettingsError(
            f"redact.hash needs a key of at least {_SHORTEST_KEY} bytes",
            where=where,
            mend="make one with `openssl rand -hex 32`, keep it outside the lake, and name its file "
            f"in redact.key_file or put it in {KEY_VARIABLE}",
        )
    return key
