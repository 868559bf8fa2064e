"""Vacuum: delete files that no table has any more, or never had, and what killed runs left."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from ctanalytics.errors import UsageError
from ctanalytics.lake import maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from ctanalytics.lake.unused import Unused, abandoned, clean_log, delete, unused
from ctanalytics.settings import Settings

LEAST_HOURS: Final = 24.0
"""A reader that is still at work, or an ingest, may need files that were removed since it began."""


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What was deleted of one table."""

    table: str
    files: int
    size_bytes: int
    kept_for_plans: int
    """Files that stay because an unfinished ingest names them."""
    paths: list[str] = field(default_factory=list)
    """With dry_run: what would be deleted."""


@dataclass(frozen=True, slots=True)
class VacuumResult:
    """What was deleted, or with a dry run what would be."""

    dry_run: bool
    retention_hours: float
    tables: list[Vacuumed] = field(default_factory=list)

    @property
    def files(self) -> int:
        """Files of all tables."""
        return sum(one.files for one in self.tables)

    @property
    def size_bytes(self) -> int:
        """Bytes of all tables."""
        return sum(one.size_bytes for one in self.tables)


def vacuum(
    lake: str | Lake,
    *,
    settings: Settings | None = None,
    retention_hours: float | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> VacuumResult:
    """Delete files that were removed from their tables long ago, or that never were in one.

    Args:
        lake: a lake, or where it is.
        retention_hours: files younger than that stay; `care.retention_hours` when not given.
        force: allow less than 24 hours: no reader and no ingest may be at work.
        dry_run: only tell what would be deleted.

    Raises:
        UsageError: the retention is less than 24 hours, without force.
    """
    settings = settings or Settings()
    hours = settings.care.retention_hours if retention_hours is None else retention_hours
    if hours < 0 or (hours < LEAST_HOURS and not force):
        raise UsageError(
            f"a retention of {hours:g} hours could take files from readers that are at work",
            where="--retention-hours",
            mend=f"keep files for {LEAST_HOURS:g} hours, or make sure that nobody is at work and "
            "add --force",
        )
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    retention = dt.timedelta(hours=hours)
    if dry_run:
        return VacuumResult(True, hours, _all_vacuumed(here, retention, dry_run=True))
    # The lease keeps compactions away, whose files are in no table until they are committed.
    with here.lease(maintenance.LEASE):
        result = VacuumResult(False, hours, _all_vacuumed(here, retention, dry_run=False))
        maintenance.remember(
            here,
            "vacuum",
            {
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "files": result.files,
                "bytes": result.size_bytes,
            },
        )
    return result


def _all_vacuumed(lake: Lake, retention: dt.timedelta, *, dry_run: bool) -> list[Vacuumed]:
    tables = []
    for name in TABLES:
        tables.append(_vacuumed(lake, unused(lake, name, retention), dry_run=dry_run))
        if not dry_run:
            clean_log(lake, name)
    lost = abandoned(lake, retention)
    return [*tables, _vacuumed(lake, lost, dry_run=dry_run)] if lost.files else tables


def _vacuumed(lake: Lake, found: Unused, *, dry_run: bool) -> Vacuumed:
    if not dry_run:
        delete(lake, found)
    return Vacuumed(
        found.table,
        len(found.files),
        found.size_bytes,
        found.kept_for_plans,
        [file.path for file in found.files] if dry_run else [],
    )
