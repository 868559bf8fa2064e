"""Erasure requests that a lake has carried out: logged, and kept to by every later ingest.

`forgotten/<id>.json` tells when, by whom and what became of how many rows. Of the subject it holds
a salted hash: enough to know a value again when a late file brings it, not to read it.
"""

from __future__ import annotations

import datetime as dt
import getpass
import hmac
import json
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ctanalytics.errors import LakeError
from ctanalytics.lake.erasure import KINDS, Eraser, Subject
from ctanalytics.lake.redact import MASK
from ctanalytics.lake.store import Store

FOLDER: Final = "forgotten/"
Entry = dict[str, Any]


def new(subject: Subject, action: str, now: dt.datetime, reason: str) -> Entry:
    """Return the log entry of a request that is about to be carried out."""
    salt = secrets.token_hex(16)
    return {
        "id": secrets.token_hex(8),
        "requested_at": now.isoformat(timespec="seconds"),
        "by": f"{_user()}@{socket.gethostname()}",
        "reason": reason,
        "action": action,
        "kind": subject.kind,
        "salt": salt,
        "digest": digest(salt, subject.kind, subject.value),
        "account": subject.account,
        "since": subject.since.isoformat() if subject.since else None,
        "until": subject.until.isoformat() if subject.until else None,
        "rows": None,
        "finished_at": None,
    }


def digest(salt: str, kind: str, value: str) -> str:
    """Return the hash by which a value is known again; capitals are no difference."""
    return hmac.digest(bytes.fromhex(salt), f"{kind}\n{value.lower()}".encode(), "sha256").hex()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def entries(store: Store) -> list[Entry]:
    """Return all requests, the oldest first.

    Raises:
        LakeError: one can't be read; then no ingest could keep to it.
    """
    found = []
    for path in store.list(FOLDER):
        try:
            found.append(json.loads(store.read(path)))
        except (ValueError, FileNotFoundError) as error:
            raise LakeError(
                f"the log of an erasure request can't be read: {error}",
                where=f"{store.uri}/{path}",
                mend="restore that file: without it late files would bring back what was erased",
            ) from error
    return sorted(found, key=lambda entry: (entry["requested_at"], entry["id"]))


def same(store: Store, subject: Subject, action: str) -> Entry | None:
    """Return the entry of the same request, made before."""
    span = [moment.isoformat() if moment else None for moment in (subject.since, subject.until)]
    for entry in entries(store):
        alike = (entry["action"], entry["kind"], entry["account"]) == (
            action,
            subject.kind,
            subject.account,
        )
        known = hmac.compare_digest(
            entry["digest"], digest(entry["salt"], subject.kind, subject.value)
        )
        if alike and known and [entry["since"], entry["until"]] == span:
            return entry
    return None


def write(store: Store, entry: Entry) -> None:
    """Log an entry, or how far it is by now."""
    store.write(f"{FOLDER}{entry['id']}.json", json.dumps(entry, indent=2).encode())


@dataclass(frozen=True)
class Forgotten:
    """The requests that new rows are held against.

    Args:
        entries: of `entries`, in a part's spec.
    """

    entries: tuple[Entry, ...] = ()

    def apply(
        self, rows: pa.Table, hashed: Callable[[str], str] | None
    ) -> tuple[pa.Table, Counter[str]]:
        """Take out or cover rows of `events` in which a subject acted.

        Args:
            hashed: what stands in place of a value that is to be hashed; without a key, the mask.

        Returns:
            The rows, and how many were taken out of which object.
        """
        gone: Counter[str] = Counter()
        for entry in self.entries:
            for value in _values(rows, entry):
                action = entry["action"]
                cover = hashed(value) if hashed and action == "hash" else MASK
                eraser = Eraser(_subject(entry, value), action, cover)
                count, acted = eraser.count(rows)
                if not count:
                    continue
                before = rows
                rows = eraser.erase(rows)
                if acted and action == "remove":
                    gone += _objects(before) - _objects(rows)
        return rows, gone


def _values(rows: pa.Table, entry: Entry) -> Iterable[str]:
    """Values of the rows that an entry's digest is of."""
    distinct: set[str] = set()
    for name in KINDS[entry["kind"]]:
        if name in rows.column_names:
            for chunk in rows[name].chunks:
                texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk.unique()
                distinct.update(text for text in texts.to_pylist() if text)
    return sorted(
        value
        for value in distinct
        if hmac.compare_digest(digest(entry["salt"], entry["kind"], value), entry["digest"])
    )


def _subject(entry: Entry, value: str) -> Subject:
    since, until = (
        dt.datetime.fromisoformat(entry[name]) if entry[name] else None
        for name in ("since", "until")
    )
    return Subject(entry["kind"], value, entry["account"], since, until)


def _objects(rows: pa.Table) -> Counter[str]:
    counted = rows["source_object"].cast(pa.string()).value_counts().to_pylist()
    return Counter({each["values"]: each["counts"] for each in counted})
