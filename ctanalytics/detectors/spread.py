"""Work over many dates in parts: which dates make a part, and the session that its worker opens.

A part names the files of the lake that the driver sees, so that a worker opens no table's log and
sees no other commit. What one part holds is no work to spread: it is done where it is.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics.detectors.base import Context
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.executor import Executor, Part, Result
from ctanalytics.engines.table_files import TableFiles
from ctanalytics.lake.derived import Derived
from ctanalytics.lake.layout import TABLES, table_path
from ctanalytics.lake.store import Store, store_from

MARKS: Final = ("anomalies", "marks")
"""Tables that views of behaviour read besides events: small, and not by date."""

_CORRECTIONS: Final = "event_conflicts"
_OPENING: Final = 1 << 14
"""Bytes that could be read in the time that a file takes to open; and it bounds the files of a part,
whose names have to fit its text."""

_MOST_CARRIED: Final = 1 << 16
"""Characters of rows in a result: a driver holds some results for each of a cluster's cores."""

_DAY: Final = dt.timedelta(days=1)

Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Files:
    """Files of events that are read together, and the dates that are theirs."""

    files: Sequence[str]
    first: dt.date
    after: dt.date
    """The first date that is no more theirs. Of a date whose files are cut, all of them have it."""


@dataclass(frozen=True)
class Spread:
    """What spreads a detector's work.

    Args:
        engine: the driver's session; its files are the ones that workers read.
        part_bytes: of compressed event files in a part, where a date has not more than that.
    """

    engine: Engine
    executor: Executor
    derived: Derived
    part_bytes: int

    @classmethod
    def of(cls, context: Context) -> Spread:
        """Return how work is spread in a run."""
        return cls(context.engine, context.executor, context.derived, context.part_bytes)

    @property
    def store(self) -> Store | None:
        """The lake's files; None where there is no place that driver and workers share."""
        lake = self.derived.lake
        return lake.store if lake is not None and self.derived.scratch else None

    def parts(self, dates: Sequence[dt.date]) -> list[list[dt.date]]:
        """Cut dates into runs of about the same bytes; none when all of it is no more than a part."""
        if self.store is None:
            return []
        sizes, files = self.derived.sizes(), self._by_date
        weighed = [
            (date, sizes.get(date, 0) + _OPENING * len(files.get(date, ())))
            for date in sorted(dates)
        ]
        if len(weighed) < 2 or sum(weight for _, weight in weighed) <= self.part_bytes:
            return []
        return list(cut(weighed, self.part_bytes))

    def files(self, first: dt.date, last: dt.date) -> list[Files]:
        """Cut the files of some dates into groups of about the same bytes, which leave out none of
        the dates; none when all of it is no more than a part. For what can be told from an event alone.
        """
        if self.store is None:
            return []
        root = f"{self.store.location(table_path('events'))}/"
        sizes = self.derived.file_sizes(first, last)
        dates = [first + step * _DAY for step in range((last - first).days + 1)]
        weighed = [
            (date, file, sizes.get(file.removeprefix(root), 0) + _OPENING)
            for date in dates
            for file in sorted(self._by_date.get(date, ()))
        ]
        if len(weighed) < 2 or sum(weight for *_, weight in weighed) <= self.part_bytes:
            return []
        groups: list[list[tuple[dt.date, str]]] = []
        held = self.part_bytes
        for date, file, weight in weighed:
            if held + weight > self.part_bytes:
                groups.append([])
                held = 0
            groups[-1].append((date, file))
            held += weight
        begins = [first, *(group[0][0] for group in groups[1:]), last + _DAY]
        return [
            Files([file for _, file in group], begin, max(group[-1][0] + _DAY, following))
            for group, (begin, following) in zip(groups, pairwise(begins), strict=True)
        ]

    def session(self, first: dt.date, last: dt.date, *more: str) -> Part:
        """Return what `opened` needs: the events of some dates, and all of further tables."""
        return self.session_of(self._events(first, last), *more)

    def session_of(self, events: Sequence[str], *more: str) -> Part:
        """Return what `opened` needs: some files of events, and all of further tables."""
        if self.store is None:
            raise ValueError("there is no lake whose files a worker could read")
        root = f"{self.store.location()}/"
        tables = {}
        for name in ("events", _CORRECTIONS, *more):
            table = self.engine.tables[name]
            files = events if name == "events" else table.files
            lacking = {file: table.lacking[file] for file in files if file in table.lacking}
            tables[name] = {
                "files": [file.removeprefix(root) for file in files],
                "lacking": {file.removeprefix(root): [*names] for file, names in lacking.items()},
            }
        return {"store": self.store.spec(), "scratch": self.derived.scratch, "tables": tables}

    def _events(self, first: dt.date, last: dt.date) -> list[str]:
        dates = (first + step * _DAY for step in range((last - first).days + 1))
        return [file for date in dates for file in self._by_date.get(date, ())]

    @cached_property
    def _by_date(self) -> dict[dt.date | None, list[str]]:
        return self.engine.tables["events"].by_date()

    def put(self, told: Any) -> str:
        """Write down what all parts need, and may be too long for each; returns where `heard` finds
        it. A worker believes it because the part names its hash: the lake may have more writers.
        """
        if self.store is None:
            raise ValueError("there is no lake to write to")
        data = msgspec.json.encode(told)
        path = f"{self.derived.scratch}told-{hashlib.sha256(data).hexdigest()}.json"
        self.store.write(path, data)
        return path

    def taken(self, result: Result) -> pa.Table | None:
        """Return the rows that `carried` has put into a result; None when there are none."""
        if "path" in result and self.store is not None:
            return _unpacked(self.store.read(result["path"]))
        return _unpacked(base64.b85decode(result["rows"])) if result["rows"] else None


def cut(sized: Sequence[tuple[dt.date, int]], limit: int) -> Iterator[list[dt.date]]:
    """Yield dates in a row in groups of at most so many bytes, or of one date."""
    group: list[dt.date] = []
    held = 0
    for date, size in sized:
        if group and (held + size > limit or date - group[-1] != _DAY):
            yield group
            group, held = [], 0
        group.append(date)
        held += size
    if group:
        yield group


def opened(part: Part) -> Engine:
    """Open the session that a part describes, on one thread: the cores have a part each."""
    store = store_from(part["store"])
    tables = {name: TableFiles(spec.schema, (), spec.partition) for name, spec in TABLES.items()}
    for name, own in part["tables"].items():
        spec = TABLES[name]
        lacking = {store.location(file): columns for file, columns in own["lacking"].items()}
        files = [store.location(file) for file in own["files"]]
        tables[name] = TableFiles(spec.schema, files, spec.partition, lacking)
    return Engine(tables, threads=1, filesystem=store.filesystem())


def heard(store: Store, path: str, kind: type[Told]) -> Told:
    """Return what `Spread.put` has written down.

    Raises:
        ValueError: it is something else by now.
    """
    data = store.read(path)
    if f"told-{hashlib.sha256(data).hexdigest()}." not in path:
        raise ValueError(f"not what the driver wrote: {path}")
    return msgspec.json.decode(data, type=kind)


def carried(part: Part, rows: pa.Table) -> Result:
    """Return rows for a result, or where in the lake they are when they are too many for one.

    Args:
        part: with a store (its spec) and scratch (a folder of the lake).
    """
    if not rows.num_rows:
        return {"rows": ""}
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", compression_level=1)
    data = sink.getvalue().to_pybytes()
    text = base64.b85encode(data).decode()
    if len(text) <= _MOST_CARRIED:
        return {"rows": text}
    path = f"{part['scratch']}rows-{uuid.uuid4().hex[:12]}.parquet"
    with store_from(part["store"]).create(path, durable=False) as file:
        file.write(data)
    return {"path": path}


def _unpacked(data: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(data))


def midnight(date: dt.date) -> dt.datetime:
    """Return when a UTC day begins."""
    return dt.datetime.combine(date, dt.time(), dt.UTC)
