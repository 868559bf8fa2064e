"""Expire: take what is older than a day out of a lake."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from ctanalytics.errors import LakeError, UsageError
from ctanalytics.lake import maintenance, retention
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Care, Settings

_TRIES: Final = 10


@dataclass(frozen=True, slots=True)
class Expired:
    """What went from one table."""

    table: str
    rows: int
    files: int
    size_bytes: int
    files_rewritten: int


@dataclass(frozen=True, slots=True)
class ExpireResult:
    """What went, or with a dry run what would go."""

    before: dt.date
    dry_run: bool
    tables: list[Expired] = field(default_factory=list)
    undated_rows: int = 0
    """Rows without a believable time, which stay unless asked for."""

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(one.rows for one in self.tables)


def expire(
    lake: str | Lake,
    *,
    before: dt.date,
    settings: Settings | None = None,
    undated: bool = False,
    ledger: bool = False,
    findings: bool = False,
    dry_run: bool = False,
    today: dt.date | None = None,
) -> ExpireResult:
    """Remove records of days before a day, and what is in quarantine since then.

    The files stay on disk until `vacuum` removes them.

    Args:
        lake: a lake, or where it is.
        before: the first day that stays.
        undated: also records without a believable time.
        ledger: also what is known about log files of those days. An object that is still in its
            source is then read again by the next ingest that lists it.
        findings: also anomalies, incidents, where they were sent, and records of nights.
        dry_run: only tell what would go.

    Raises:
        UsageError: the day lies ahead.
        LakeError: other commits always come first.
    """
    settings = settings or Settings()
    if before > (today or dt.datetime.now(dt.UTC).date()):
        raise UsageError(
            f"{before} lies ahead", where="--older-than", mend="name a day that is over"
        )
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    tables = (
        *retention.RECORDS,
        *(retention.LEDGER if ledger else ()),
        *(retention.FINDINGS if findings else ()),
    )
    if dry_run:
        return _result([_old(here, name, before, undated) for name in tables], before, True)
    with here.lease(maintenance.LEASE):
        known = maintenance.remembered(here, "expire") or {}
        known |= {
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "before": max(before.isoformat(), known.get("before", "")),
            "ledger": ledger or known.get("ledger", False),
        }
        # Said before it is done: where this is killed, the ledger misses no rows that went.
        maintenance.remember(here, "expire", known)
        gone = [_expired(here, name, before, undated, settings.care) for name in tables]
        result = _result(gone, before, False)
        maintenance.remember(here, "expire", known | {"rows": result.rows})
    return result


def _old(lake: Lake, table: str, before: dt.date, undated: bool) -> retention.Old:
    seen = maintenance.snapshot(lake, table)
    return retention.old(seen, lake.store, before, undated=undated)


def _expired(lake: Lake, table: str, before: dt.date, undated: bool, care: Care) -> retention.Old:
    for _ in range(_TRIES):
        seen = maintenance.snapshot(lake, table)
        found = retention.old(seen, lake.store, before, undated=undated)
        if not found.removes:
            return found
        adds = retention.written_again(found, lake.store, care)
        paths = [file.path for file in found.removes]
        if maintenance.replace(lake, seen, paths, adds, why="expire", loses_rows=True):
            return found
    raise LakeError(
        f"the table {table} changes faster than rows can be taken out",
        where=lake.uri,
        mend="run it again when no other process takes care of the lake",
    )


def _result(found: list[retention.Old], before: dt.date, dry_run: bool) -> ExpireResult:
    return ExpireResult(
        before=before,
        dry_run=dry_run,
        tables=[
            Expired(one.table, one.rows, len(one.removes), one.size_bytes, len(one.kept))
            for one in found
        ],
        undated_rows=sum(one.undated for one in found),
    )
