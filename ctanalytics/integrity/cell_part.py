"""One account and region validated on a worker, and its rows on their way to the driver."""

from __future__ import annotations

import base64
import datetime as dt
import uuid
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec

from ctanalytics import settings
from ctanalytics.engines.executor import Part, Result
from ctanalytics.errors import UsageError
from ctanalytics.integrity import cell as cells
from ctanalytics.integrity.cell import Job
from ctanalytics.integrity.keys import AwsKeys, KeyFiles, Keys
from ctanalytics.integrity.place import open_place
from ctanalytics.integrity.trails import Cell, Wanted
from ctanalytics.integrity.verdict import Checked
from ctanalytics.lake.store import Store, store_from
from ctanalytics.records import digest as form

MOST_BYTES: Final = 900_000
"""Packed rows that go with the result; more are written into the lake."""


def part_of(
    job: Job,
    cell: Cell,
    *,
    source: str,
    aws: settings.SourceAws,
    workers: int,
    staged: dict[str, Any],
) -> Part:
    """Return what `cell_part` needs to validate a cell.

    Args:
        workers: files that are read at a time.
        staged: store (the spec of a lake's) and folder, for rows that are too many; or empty.
    """
    keys = list(job.keys.keys) if isinstance(job.keys, KeyFiles) else None
    whole = {
        "source": source,
        "aws": aws,
        "keys": keys,
        "keys_from": job.keys.origin,
        "cell": cell,
        "wanted": job.wanted,
        "since": job.since,
        "until": job.until,
        "as_of": job.as_of,
        "open_end": job.open_end,
        "original": job.original,
        "workers": workers,
        "staged": staged,
    }
    part: Part = msgspec.to_builtins(whole)
    return part


def cell_part(part: Part) -> Result:
    """Validate one account and region; a worker's task, see `engines.executor`.

    Args:
        part: as `part_of` makes it.

    Returns:
        cell, rows (packed) or path (of the packed rows, in the lake), keys
        (those that AWS was asked for).
    """
    aws = msgspec.convert(part["aws"], settings.SourceAws)
    keys: Keys = AwsKeys(aws)
    if part["keys"] is not None:
        known = msgspec.convert(part["keys"], tuple[form.PublicKey, ...])
        keys = KeyFiles(known, part["keys_from"])
    cell = msgspec.convert(part["cell"], Cell)
    with ThreadPoolExecutor(part["workers"], "ctanalytics-validate") as pool:
        job = Job(
            place=open_place(part["source"], aws),
            pool=pool,
            keys=keys,
            wanted=msgspec.convert(part["wanted"], Wanted),
            since=_moment(part["since"]),
            until=dt.datetime.fromisoformat(part["until"]),
            as_of=dt.datetime.fromisoformat(part["as_of"]),
            open_end=part["open_end"],
            original=tuple(part["original"]) if part["original"] else None,
        )
        rows = list(cells.validate(job, cell))
    asked = keys.seen() if isinstance(keys, AwsKeys) else ()
    found = {"cell": part["cell"], "keys": msgspec.to_builtins(asked)}
    return found | packed(rows, part["staged"])


def rows_of(result: Result, store: Store | None) -> list[Checked]:
    """Return the rows of a cell that `cell_part` has validated."""
    if "rows" in result or store is None:
        data = base64.b85decode(result["rows"])
    else:
        data = store.read(result["path"])
    return msgspec.json.decode(zlib.decompress(data), type=list[Checked])


def asked_keys(results: Sequence[Result]) -> tuple[form.PublicKey, ...]:
    """Return each key once that workers had from AWS."""
    found: dict[tuple[str, str], form.PublicKey] = {}
    for result in results:
        for key in msgspec.convert(result["keys"], tuple[form.PublicKey, ...]):
            found[key.region, key.fingerprint] = key
    return tuple(found[name] for name in sorted(found))


def packed(rows: Sequence[Checked], staged: dict[str, Any]) -> dict[str, Any]:
    """Return rows for a result, or where they are when they are too many for one."""
    data = zlib.compress(msgspec.json.encode(rows))
    text = base64.b85encode(data).decode()
    if len(text) <= MOST_BYTES:
        return {"rows": text}
    if not staged:
        raise UsageError(
            "the rows of an account and region are too many to be carried back from a worker",
            where="--executor",
            mend="name a lake with --lake, through which they go; or a shorter span",
        )
    path = f"{staged['folder']}cell-{uuid.uuid4().hex[:12]}.json.z"
    store_from(staged["store"]).write(path, data)
    return {"path": path}


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
