"""Lakes for tests of lake care: many small files by real ingests, and what a lake's files are."""

from __future__ import annotations

import datetime as dt
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ctanalytics.lake import maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from ctanalytics.settings import Care, Ingest, Settings
from tests.app.ingesting import run
from tests.logs import START, corpus

_KEPT: list[tempfile.TemporaryDirectory[str]] = []

CLOSED = START + dt.timedelta(days=30)
"""A time at which all dates of the corpus are closed."""

OPEN = START + dt.timedelta(hours=20)
"""A time at which all dates of the corpus are open."""


def care(**values: Any) -> Settings:
    return Settings(ingest=Ingest(workers=1), care=Care(**{"group_rows": 50, **values}))


def small_files(home: Path, *, files: int = 14, per_file: int = 6, apart: int = 300) -> Lake:
    """A lake in home/lake into which every log file came by a plan of its own.

    It is made once for all tests, and copied: every plan syncs some twenty files to disk.
    """
    made = _made(files, per_file, apart)
    shutil.copytree(made / "lake", home / "lake")
    return Lake.open(home / "lake")


def logs(*, files: int = 14, per_file: int = 6, apart: int = 300) -> Path:
    """The log files of such a lake."""
    return _made(files, per_file, apart) / "logs"


@functools.cache
def _made(files: int, per_file: int, apart: int) -> Path:
    place = tempfile.TemporaryDirectory(prefix="ctanalytics-test-")
    _KEPT.append(place)
    home = Path(place.name)
    corpus(home / "logs", files=files, per_file=per_file, apart=apart)
    run(home / "logs", home / "lake", plan_objects=1)
    return home


def counts(lake: Lake, table: str = "events") -> dict[str, int]:
    """The number of a table's files by date."""
    found: dict[str, int] = {}
    for file in maintenance.snapshot(lake, table).files:
        date = str(file.date)
        found[date] = found.get(date, 0) + 1
    return found


def everything(lake: Lake) -> dict[str, tuple[int, int]]:
    """All rows of all tables, as their number and the sum of their hashes."""
    with lake.engine() as engine:
        return {
            name: tuple(  # type: ignore[misc]
                engine.sql(f"select count(*) as n, sum(hash(t)) as h from lake.{name} as t")
                .to_pylist()[0]
                .values()
            )
            for name in TABLES
        }
