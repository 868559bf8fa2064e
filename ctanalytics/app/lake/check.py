"""Check: prove that a lake's log, files, rows and ledger agree, and name what does not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.lake import maintenance
from ctanalytics.lake.check_files import Flaw, snapshots, table_flaws
from ctanalytics.lake.check_state import state_flaws
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES, table_path
from ctanalytics.lake.maintenance import Snapshot
from ctanalytics.settings import Settings

_SHOWN: Final = 20
"""Rows of one kind of flaw that are named; their number is always told."""

_REINGEST: Final = "read it again: `ctanalytics ingest --reingest`"
_FLAWS: Final = {
    "unknown": ("rows of an object that the ledger does not know", _REINGEST),
    "too_many": ("more records than the object had", _REINGEST),
    "place": ("a row from behind the object's last record", _REINGEST),
    "quarantine": ("more records in quarantine than the ledger says", _REINGEST),
    "missing": ("fewer records than the object had", _REINGEST),
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was looked at, and what is wrong with it."""

    deep: bool
    flaws: list[Flaw] = field(default_factory=list)
    tables: int = 0
    files: int = 0
    rows: int = 0
    objects: int = 0
    records: int = 0
    """Records that the objects of the ledger held, each time they were read."""
    kept: int = 0
    duplicates: int = 0
    conflicts: int = 0
    """Of the kept: copies that contradict the row that counts."""
    quarantined: int = 0
    filtered: int = 0
    expired_before: dt.date | None = None
    """Records of earlier days were taken out: their objects can't be counted any more."""

    @property
    def complete(self) -> bool:
        """Whether nothing is wrong."""
        return not self.flaws


Report = Callable[[str], None]
"""Is told what is looked at now."""


def check(
    lake: str | Lake,
    *,
    settings: Settings | None = None,
    deep: bool = False,
    progress: Report | None = None,
) -> CheckResult:
    """Compare a lake's log, files, rows and ledger with each other. Nothing is changed.

    Args:
        lake: a lake, or where it is.
        deep: read all files to their ends, look for keys that two rows have, and for rows that
            lie under another date than their own.
        progress: is told what is looked at.

    Raises:
        LakeMissing: there is no lake.
        LakeNewer: a newer version wrote it.
        LakeError: a table can't be opened at all.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    tell = progress or (lambda _: None)
    tell("plans, staged rows, leases")
    seen = snapshots(here)
    flaws = list(state_flaws(here, seen))
    broken: set[str] = set()
    for name, snapshot in seen.items():
        tell(name)
        found = list(table_flaws(here, snapshot, deep=deep))
        flaws += found
        broken |= {flaw.where for flaw in found if flaw.check in ("file", "columns")}
    counts: dict[str, Any] = {}
    expired, forgot = maintenance.expired(here)
    if not broken:  # else DuckDB can't read the tables
        with _engine(here, seen, settings) as engine:
            tell("the ledger")
            (counts,) = engine.run("lake/record_counts").to_pylist()
            flaws += _object_flaws(engine, expired, forgot)
            if deep:
                for date in sorted({file.date for file in seen["events"].files if file.date}):
                    tell(f"events of {date}")
                    flaws += _date_flaws(engine, date)
    return CheckResult(
        deep=deep,
        flaws=flaws,
        tables=len(seen),
        files=sum(len(snapshot.files) for snapshot in seen.values()),
        rows=sum(file.rows for snapshot in seen.values() for file in snapshot.files),
        expired_before=expired,
        **counts,
    )


def _engine(lake: Lake, seen: Mapping[str, Snapshot], settings: Settings) -> Engine:
    """A session over the very files that were looked at."""
    store = lake.store
    tables = {
        name: TableFiles(
            spec.schema,
            [store.location(f"{table_path(name)}/{file.path}") for file in seen[name].files],
            spec.partition,
            lake.lacking(name),
        )
        for name, spec in TABLES.items()
    }
    return Engine(tables, memory_bytes=settings.care.memory_bytes, filesystem=store.filesystem())


def _object_flaws(engine: Engine, expired: dt.date | None, forgot: bool) -> Iterator[Flaw]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in engine.run("lake/object_rows").to_pylist():
        gone = expired and row["first_date"] and row["first_date"] < expired
        if row["flaw"] == "missing" and gone:
            continue
        if row["flaw"] == "unknown" and forgot:
            continue
        found.setdefault(row["flaw"], []).append(row)
    for flaw, rows in found.items():
        what, mend = _FLAWS[flaw]
        for row in rows[:_SHOWN]:
            counted = f"{row['accounted']} accounted for of {row['records']}"
            where = f"{row['object']} (plan {row['plan_id']})"
            yield Flaw("ledger", "log_files", where, f"{what}: {counted}", mend)
        if len(rows) > _SHOWN:
            yield Flaw("ledger", "log_files", f"{len(rows) - _SHOWN} more objects", f"{what}", mend)


def _date_flaws(engine: Engine, date: dt.date) -> Iterator[Flaw]:
    for row in engine.run("lake/repeated_keys", date=date, limit=_SHOWN).to_pylist():
        where = f"event_date {date}, account {row['account_id']}, event {row['key']}"
        what = f"{row['copies']} rows have one key"
        yield Flaw("key", "events", where, what, _REINGEST)
    for row in engine.run("lake/misdated_rows", date=date, limit=_SHOWN).to_pylist():
        where = f"{row['source_object']}, record {row['source_row']}"
        what = f"a row of {row['event_time']} ({row['event_time_status']}) under {date}"
        yield Flaw("date", "events", where, what, _REINGEST)
