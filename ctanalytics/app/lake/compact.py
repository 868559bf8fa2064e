"""Compact: write many small files anew as few large ones, beside whoever reads and writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from ctanalytics.engines.executor import Executor, chosen
from ctanalytics.engines.local import cores
from ctanalytics.errors import SettingsError, UsageError
from ctanalytics.lake import candidates, maintenance
from ctanalytics.lake.candidates import Task
from ctanalytics.lake.compact import SPILL, compact_part, part
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import DERIVED, TABLES
from ctanalytics.settings import Care, Settings

_ROUNDS: Final = 5
"""How often work is made anew that other commits have overtaken."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was written anew in one table and date."""

    table: str
    date: str | None
    why: str
    """close: sorted for good; late: late files joined; merge: small files joined."""
    rows: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class CompactResult:
    """What a compaction did."""

    done: list[Compacted] = field(default_factory=list)
    planned: int = 0
    """With dry_run: what there is to do; `done` has it, with nothing after."""
    overtaken: int = 0
    """Work that other commits made void every time; the next compaction does it."""

    @property
    def rows(self) -> int:
        """Rows written anew."""
        return sum(one.rows for one in self.done)

    @property
    def bytes_before(self) -> int:
        """Bytes of the files that were replaced."""
        return sum(one.bytes_before for one in self.done)

    @property
    def bytes_after(self) -> int:
        """Bytes written."""
        return sum(one.bytes_after for one in self.done)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return not self.overtaken


Report = Callable[[int, int], None]
"""Is told how many of how many pieces of work are done."""


def compact(
    lake: str | Lake,
    *,
    settings: Settings | None = None,
    tables: Sequence[str] = (),
    rewrite: bool = False,
    dry_run: bool = False,
    now: dt.datetime | None = None,
    executor: Executor | None = None,
    progress: Report | None = None,
) -> CompactResult:
    """Write small files of a lake anew as large ones; rows stay as they are.

    Args:
        lake: a lake, or where it is.
        tables: only these; empty: all.
        rewrite: sort all closed dates again, as after a change of `care.sort`.
        dry_run: only tell what there is to do.
        now: what decides which dates are closed; the clock when not given.

    Raises:
        UsageError: there is no such table.
        SettingsError: `care.sort` names no column that can be sorted by.
        LakeError: the lake can't be read or written, or is at fault.
    """
    settings = settings or Settings()
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    names = _known(tables)
    _check_order(settings.care)
    moment = now or dt.datetime.now(dt.UTC)
    if dry_run:
        found = list(_tasks(here, names, moment, settings.care, rewrite=rewrite))
        return CompactResult([_done(task, []) for task in found], planned=len(found))
    with here.lease(maintenance.LEASE):
        here.store.delete_all(list(here.store.list(SPILL)))  # of one that was killed
        run = _Run(here, settings.care, names, moment, progress)
        with ExitStack() as stack:
            if executor is None:
                executor = stack.enter_context(chosen(settings.execution, settings.care.workers))
            result = run.all(executor, rewrite=rewrite)
        maintenance.remember(
            here,
            "compact",
            {
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "pieces": len(result.done),
                "rows": result.rows,
                "bytes_before": result.bytes_before,
                "bytes_after": result.bytes_after,
            },
        )
    return result


@dataclass
class _Run:
    """One compaction under way."""

    lake: Lake
    care: Care
    names: Sequence[str]
    now: dt.datetime
    progress: Report | None
    done: list[Compacted] = field(default_factory=list)

    def all(self, executor: Executor, *, rewrite: bool) -> CompactResult:
        """Work until nothing is left to do, or others always come first."""
        overtaken = 0
        for _ in range(_ROUNDS):
            found = list(_tasks(self.lake, self.names, self.now, self.care, rewrite=rewrite))
            if not found:
                break
            overtaken = self._round(executor, found)
            rewrite = rewrite and overtaken > 0
        return CompactResult(self.done, overtaken=overtaken)

    def _round(self, executor: Executor, tasks: list[Task]) -> int:
        """Do the tasks; return how many other commits made void."""
        memory = self.care.memory_bytes // max(1, self.care.workers or cores())
        store = self.lake.store
        waiting = {(task.table, task.date and task.date.isoformat()): task for task in tasks}
        parts = (part(task, store, self.care, memory) for task in tasks)
        overtaken = 0
        for number, made in enumerate(executor.map(compact_part, parts), 1):
            task = waiting[made["table"], made["date"]]
            if self._commit(made):
                self.done.append(_done(task, made["adds"]))
            else:
                overtaken += 1
            if self.progress:
                self.progress(number, len(tasks))
        return overtaken

    def _commit(self, made: dict[str, Any]) -> bool:
        # Files never change: while all of them are still there, what was made of them is true.
        seen = maintenance.snapshot(self.lake, made["table"])
        if not {file.path for file in seen.files}.issuperset(made["paths"]):
            return False
        return maintenance.replace(self.lake, seen, made["paths"], made["adds"], why="compact")


def _tasks(
    lake: Lake, names: Sequence[str], now: dt.datetime, care: Care, *, rewrite: bool
) -> Iterator[Task]:
    for name in names:
        yield from candidates.tasks(maintenance.snapshot(lake, name), now, care, rewrite=rewrite)


def _done(task: Task, adds: list[dict[str, Any]]) -> Compacted:
    return Compacted(
        table=task.table,
        date=task.date.isoformat() if task.date else None,
        why=task.why,
        rows=task.rows,
        files_before=len(task.files),
        files_after=len(adds),
        bytes_before=task.size_bytes,
        bytes_after=sum(add["size"] for add in adds),
    )


def _known(tables: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in tables if name not in TABLES]
    if unknown:
        raise UsageError(
            f"there is no table {', '.join(unknown)}",
            where="--table",
            mend=f"the tables are {', '.join(TABLES)}",
        )
    return tables or tuple(name for name in TABLES if name not in DERIVED)


def _check_order(care: Care) -> None:
    columns = TABLES["events"].file_schema()
    wrong = [
        name
        for name in care.sort
        if name not in columns.names or pa.types.is_nested(columns.field(name).type)
    ]
    if wrong:
        raise SettingsError(
            f"events can't be sorted by {', '.join(wrong)}",
            where="care.sort",
            mend="name columns of events, such as principal_arn, event_time",
        )
