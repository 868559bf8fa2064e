"""Files that no table has and nobody will ask for: removed long ago, or never committed."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctanalytics.lake import layout, maintenance, staging
from ctanalytics.lake.store import Entry

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake

SCRATCH: Final = "scratch"
"""Stands for a table's name where files are in none."""

_PLAN: Final = re.compile(r"plans/(\d{1,18})\.(?:result\.)?json")
_WRITTEN_BY: Final = re.compile(r"(?:.*/)?plan-(\d{1,18})-[^/]*")
_HALF_WRITTEN: Final = re.compile(r"(?:.*/)?\.tmp-[^/]*")
_LOG: Final = "_delta_log/"
_SLACK: Final = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Unused:
    """What may be deleted of one table; paths are within the table."""

    table: str
    files: tuple[Entry, ...]
    kept_for_plans: int
    """Files that would be unused, but an unfinished plan or its result names them."""

    @property
    def size_bytes(self) -> int:
        """Bytes that deleting them frees."""
        return sum(file.size_bytes for file in self.files)


def unused(lake: Lake, table: str, retention: dt.timedelta) -> Unused:
    """Find files of a table's folder that no reader needs.

    Args:
        retention: how long a file stays after it was removed from the table, and after it was
            written without ever being in it.
    """
    now = dt.datetime.now(dt.UTC)
    retention = max(retention, _oldest_plan(lake, now))
    root = f"{layout.table_path(table)}/"
    found = {
        entry.path.removeprefix(root): entry
        for entry in lake.store.entries(root)
        if not entry.path.startswith(root + _LOG)
    }
    # Delta knows when each file was removed.
    removed = set(
        lake.table(table).vacuum(
            math.ceil(retention / dt.timedelta(hours=1)),
            dry_run=True,
            enforce_retention_duration=False,
            full=True,
        )
    )
    candidates = {
        path
        for path, entry in found.items()
        if path in removed or (_HALF_WRITTEN.fullmatch(path) and now - entry.modified > retention)
    }
    # In this order: a plan that ends meanwhile has its files in the table that is looked at last.
    named, unfinished = _named_by_plans(lake, table)
    live = {file.path for file in maintenance.snapshot(lake, table).files}
    spared = {path for path in candidates - live if path in named or _by(path) in unfinished}
    chosen = sorted(candidates - live - spared)
    return Unused(
        table,
        tuple(Entry(path, found[path].size_bytes, found[path].modified) for path in chosen),
        len(spared),
    )


def abandoned(lake: Lake, retention: dt.timedelta) -> Unused:
    """Find the scratch files of runs that were killed; paths are within the lake."""
    now = dt.datetime.now(dt.UTC)
    entries = lake.store.entries(staging.SCRATCH)
    return Unused(SCRATCH, tuple(one for one in entries if now - one.modified > retention), 0)


def delete(lake: Lake, found: Unused) -> None:
    """Delete files that `unused` or `abandoned` found."""
    root = "" if found.table == SCRATCH else f"{layout.table_path(found.table)}/"
    lake.store.delete_all(f"{root}{file.path}" for file in found.files)


def clean_log(lake: Lake, table: str) -> None:
    """Remove commits of a table's log that a checkpoint covers and that are older than 30 days."""
    lake.table(table).cleanup_metadata()


def _named_by_plans(lake: Lake, table: str) -> tuple[set[str], set[int]]:
    """Paths that results name, and the plans that are not in all tables yet."""
    named: set[str] = set()
    unfinished: set[int] = set()
    for path in list(lake.store.list("plans/")):
        match = _PLAN.fullmatch(path)
        if match is None:
            continue
        unfinished.add(int(match[1]))
        if path.endswith(".result.json"):
            try:
                adds = json.loads(lake.store.read(path))["adds"].get(table, [])
            except FileNotFoundError:
                continue  # folded just now: its files are in the table
            named |= {add["path"] for add in adds}
    return named, unfinished


def _by(path: str) -> int | None:
    """The number of the plan that wrote a file."""
    match = _WRITTEN_BY.fullmatch(path)
    return int(match[1]) if match else None


def _oldest_plan(lake: Lake, now: dt.datetime) -> dt.timedelta:
    """How long ago the oldest unfinished plan began: it may read files removed since then."""
    ages = [now - entry.modified + _SLACK for entry in lake.store.entries("plans/")]
    return max(ages, default=dt.timedelta())
