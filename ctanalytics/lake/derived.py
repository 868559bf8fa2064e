"""Tables that follow from others: a file for each date and kind, named by what it was made from.

A file's name holds two hashes: of its inputs and of its own bytes. So whether a date is up to date
is told by names alone, in the commit that has the files; what depends on it names its bytes as an
input, and is left alone when they came out the same. Late log files, compaction and changed settings
all show as other inputs. A file that is lost, or whose name says nothing, is made anew.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctanalytics.lake import layout, maintenance
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.maintenance import Snapshot
from ctanalytics.lake.some_rows import Some, some_of
from ctanalytics.lake.staging import SCRATCH
from ctanalytics.lake.store import Store

NOTHING: Final = ""
"""The hash of a date that the lake knows nothing of."""

_NAME: Final = re.compile(
    r"event_date=(?P<date>\d{4}-\d\d-\d\d)/"
    r"(?P<kind>[a-z_]+)-(?P<inputs>[0-9a-f]{16})-(?P<content>[0-9a-f]{16})-[0-9a-f]{8}\.parquet"
)
_DATE: Final = re.compile(r"event_date=(\d{4}-\d\d-\d\d)/")
_SOURCES: Final = ("events", "event_conflicts")
_READERS: Final = 8
_MOST_ROWS: Final = 1_000_000
"""Rows of all tables that stay in memory, where they can be read again."""

_GROUP_ROWS: Final = 1 << 16
"""Rows that are read together where only some are wanted."""

Key = tuple[str, dt.date, str]
"""Table, date, kind."""


@dataclass(frozen=True, slots=True)
class Made:
    """A file of a derived table, and what it was made from."""

    path: str
    """Within the table's folder, or below the scratch folder and the table's name."""
    inputs: str
    content: str
    size_bytes: int = 0
    is_scratch: bool = False


@dataclass
class Derived:
    """The derived tables of a lake as of when this was opened, and what was made since.

    Without a lake nothing lasts: all is made anew, and kept in memory.
    """

    lake: Lake | None = None
    is_read_only: bool = False
    """Make nothing part of a table: what is made is kept in memory, or in the scratch folder."""
    scratch: str = ""
    """The folder of the lake for what is needed while this is open; empty: none may be made."""
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    _made: dict[Key, Made] = field(default_factory=dict)
    _sources: dict[dt.date, str] = field(default_factory=dict)
    _rows: dict[Key, pa.Table] = field(default_factory=dict)
    _pending: dict[Key, dict[str, Any]] = field(default_factory=dict)
    _sizes: dict[dt.date, int] | None = None
    _lent: dict[Key, str] = field(default_factory=dict)
    """Where what `hold` has in memory lies for others."""

    @classmethod
    def open(
        cls, lake: Lake, *, is_read_only: bool = False, may_write: bool | None = None
    ) -> Derived:
        """Look at which files the tables have now.

        Args:
            may_write: whether there may be a scratch folder; else unless it is read-only.
        """
        snapshots = {name: maintenance.snapshot(lake, name) for name in layout.DERIVED}
        writes = not is_read_only if may_write is None else may_write
        found = cls(lake, is_read_only, f"{SCRATCH}{uuid.uuid4().hex[:12]}/" if writes else "")
        found.snapshots = snapshots
        for table, seen in snapshots.items():
            for file in seen.files:
                match = _NAME.fullmatch(file.path)
                if match:
                    key = (table, dt.date.fromisoformat(match["date"]), match["kind"])
                    found._made[key] = Made(
                        file.path, match["inputs"], match["content"], file.size_bytes
                    )
        found._sources = _sources(lake)
        return found

    def source(self, date: dt.date) -> str:
        """Return a hash of the files that hold a date's events; NOTHING when there are none.

        Without a lake it is the same for all dates.
        """
        return self._sources.get(date, NOTHING) if self.lake else "memory"

    def made(self, table: str, date: dt.date, kind: str) -> Made | None:
        """Return what a table has for a date and kind."""
        return self._made.get((table, date, kind))

    def is_made(self, table: str, date: dt.date, kind: str, inputs: str) -> bool:
        """Tell whether a table has a date and kind, made from these inputs."""
        known = self._made.get((table, date, kind))
        return known is not None and known.inputs == inputs

    def content(self, table: str, date: dt.date, kind: str) -> str:
        """Return the hash of a date's rows, NOTHING when there are none."""
        known = self._made.get((table, date, kind))
        return known.content if known else NOTHING

    def put(self, table: str, date: dt.date, kind: str, inputs: str, rows: pa.Table) -> None:
        """Write a date's rows, in their order; a commit makes them part of the table.

        Args:
            rows: the columns of the table without the date; none is fine, and remembered.
        """
        wanted = layout.TABLES[table].file_schema()
        store = self.lake.store if self.lake and self.scratch else None
        self.adopt(written(store, self.folder(table), table, date, kind, inputs, rows))
        self._rows[table, date, kind] = rows.select(wanted.names).cast(wanted)

    def folder(self, table: str) -> str:
        """Return where the files of a table are put, for whoever writes them elsewhere."""
        return f"{self.scratch}{table}" if self.is_read_only else layout.table_path(table)

    def adopt(self, manifest: dict[str, Any]) -> None:
        """Take a file that `written` has put into the folder of its table."""
        key = (manifest["table"], dt.date.fromisoformat(manifest["date"]), manifest["kind"])
        path = manifest["add"]["path"]
        match = _NAME.fullmatch(path)
        if match is None:
            raise ValueError(f"not a file of a derived table: {path!r}")
        self._rows.pop(key, None)
        size = manifest["add"]["size"]
        self._made[key] = Made(path, match["inputs"], match["content"], size, self.is_read_only)
        self._pending[key] = manifest

    def size(self, table: str, date: dt.date, kind: str) -> int:
        """Return the bytes of the file of a date and kind; 0 where there is none."""
        made = self._made.get((table, date, kind))
        return made.size_bytes if made else 0

    def place(self, table: str, date: dt.date, kind: str) -> str:
        """Return where in the lake the rows of a date and kind are; empty: in no file."""
        made = self._made.get((table, date, kind))
        if made is None or not made.path or (made.is_scratch and not self.scratch):
            return ""
        root = f"{self.scratch}{table}" if made.is_scratch else layout.table_path(table)
        return f"{root}/{made.path}"

    def shared(self, table: str, date: dt.date, kind: str) -> str:
        """As `place`; what is in memory alone is written to the scratch folder for others to read."""
        key = (table, date, kind)
        found = self.place(*key) or self._lent.get(key, "")
        if not found and key in self._rows and self.lake is not None and self.scratch:
            found = f"{self.scratch}held/{table}-{kind}-{date}-{uuid.uuid4().hex[:8]}.parquet"
            with self.lake.store.create(found, durable=False) as file:
                file.write(_parquet(self._rows[key]))
            self._lent[key] = found
        return found

    def hold(self, table: str, date: dt.date, kind: str, rows: pa.Table) -> None:
        """As `put`, for this run alone: of a day that is not over yet."""
        key = (table, date, kind)
        wanted = layout.TABLES[table].file_schema()
        self._rows[key] = rows.select(wanted.names).cast(wanted)
        content = hashlib.sha256(_parquet(self._rows[key])).hexdigest()[:16]
        self._made[key] = Made(NOTHING, NOTHING, content)
        self._lent.pop(key, None)

    def read(
        self, table: str, dates: Iterable[dt.date], kind: str
    ) -> Iterator[tuple[dt.date, pa.Table]]:
        """Yield the rows of dates, in the order of the dates; dates without a file are left out."""
        keys = [key for date in sorted(dates) if (key := (table, date, kind)) in self._made]
        with ThreadPoolExecutor(_READERS) as threads:
            for start in range(0, len(keys), _READERS):
                some = keys[start : start + _READERS]
                missing = [key for key in some if key not in self._rows]
                self._rows.update(zip(missing, threads.map(self._load, missing), strict=True))
                found = [(key[1], self._rows[key]) for key in some]
                self._evict()
                yield from found

    def _evict(self) -> None:
        """Let go of rows that can be read again, when there are many; the oldest in memory first."""
        if not self.scratch:
            return
        held = sum(rows.num_rows for rows in self._rows.values())
        for key in list(self._rows):
            if held <= _MOST_ROWS:
                return
            if self._made[key].path:
                held -= self._rows.pop(key).num_rows

    def _load(self, key: Key) -> pa.Table:
        if self.lake is None:
            raise KeyError(key)  # without a lake all rows are in memory
        return read(self.lake.store, key[0], self.place(*key))

    @property
    def _writes(self) -> Lake | None:
        return None if self.is_read_only else self.lake

    def file_sizes(self, first: dt.date, last: dt.date) -> Mapping[str, int]:
        """Return the bytes of each file of events of some dates, by its path in the table's folder."""
        if self.lake is None:
            return {}
        actions = pa.table(self.lake.table("events").get_add_actions(flatten=True))
        dates = actions[f"partition.{layout.PARTITION}"]
        inside = pc.and_(pc.greater_equal(dates, first), pc.less_equal(dates, last))
        chosen = actions.filter(inside)
        return dict(zip(chosen["path"].to_pylist(), chosen["size_bytes"].to_pylist(), strict=True))

    def sizes(self) -> Mapping[dt.date, int]:
        """Return by date how many bytes its events take in their files."""
        if self.lake is None:
            return {}
        if self._sizes is None:
            actions = pa.table(self.lake.table("events").get_add_actions(flatten=True))
            names = (f"partition.{layout.PARTITION}", "size_bytes")
            columns = (actions[name].to_pylist() for name in names)
            self._sizes = {}
            for date, size in zip(*columns, strict=True):
                self._sizes[date] = self._sizes.get(date, 0) + size
        return self._sizes

    def close(self) -> None:
        """Remove the scratch folder; what lies in tables stays."""
        if self.lake is not None and self.scratch:
            self.lake.store.delete_tree(self.scratch)

    def take(self) -> list[dict[str, Any]]:
        """Return the manifests of what was put since the last time, for `commit`."""
        found, self._pending = list(self._pending.values()), {}
        return found if self._writes is not None else []

    def commit(self, manifests: Sequence[Mapping[str, Any]]) -> bool:
        """Make files part of their tables, in place of those of the same dates and kinds.

        Returns:
            False when somebody else has changed a table since it was looked at; then the files
            stay out of it, and a later run makes them anew.
        """
        if self._writes is None:
            return True
        by_table: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for manifest in manifests:
            by_table[manifest["table"]].append(manifest)
        whole = True
        for table, members in by_table.items():
            seen = self.snapshots[table]
            fresh = {(manifest["date"], manifest["kind"]) for manifest in members}
            removes = [file.path for file in seen.files if _is_replaced(file.path, fresh)]
            adds = [manifest["add"] for manifest in members]
            if maintenance.replace(self._writes, seen, removes, adds, why="state", loses_rows=True):
                self.snapshots[table] = maintenance.snapshot(self._writes, table)
            else:
                whole = False
        return whole


def written(
    store: Store | None,
    folder: str,
    table: str,
    date: dt.date,
    kind: str,
    inputs: str,
    rows: pa.Table,
) -> dict[str, Any]:
    """Write a date's rows, in their order, under a name that no other file has.

    Args:
        store: of the lake; None: nothing is written.
        folder: where the driver wants the files of the table: `Derived.folder`.
        rows: the columns of the table without the date; none is fine, and remembered.

    Returns:
        The manifest of the file, for `Derived.adopt` and `Derived.commit`.
    """
    wanted = layout.TABLES[table].file_schema()
    data = _parquet(rows.select(wanted.names).cast(wanted))
    content = hashlib.sha256(data).hexdigest()[:16]
    name = f"{kind}-{inputs}-{content}-{uuid.uuid4().hex[:8]}.parquet"
    path = f"{layout.PARTITION}={date.isoformat()}/{name}"
    if store is not None:
        # What a rerun makes anew need not outlast a power cut.
        with store.create(f"{folder}/{path}", durable=not folder.startswith(SCRATCH)) as file:
            file.write(data)
    return {
        "table": table,
        "date": date.isoformat(),
        "kind": kind,
        "add": {
            "path": path,
            "size": len(data),
            "partition": date.isoformat(),
            "stats": json.dumps({"numRecords": rows.num_rows}),
        },
    }


def content_of(manifest: Mapping[str, Any]) -> str:
    """Return the hash of the rows of a file that was just written."""
    match = _NAME.fullmatch(manifest["add"]["path"])
    return match["content"] if match else NOTHING


def read(
    store: Store, table: str, place: str, names: Sequence[str] = (), some: Some | None = None
) -> pa.Table:
    """Read a file of a derived table; its texts are dictionaries, a fifth of the time and memory.

    Args:
        some: which rows are wanted, by the columns of these names; else all are.
    """
    wanted = layout.TABLES[table].file_schema()
    texts = [column.name for column in wanted if pa.types.is_string(column.type)]
    for name in texts:
        at = wanted.get_field_index(name)
        wanted = wanted.set(at, wanted.field(at).with_type(pa.dictionary(pa.int32(), pa.string())))
    with store.open_parquet(place, read_dictionary=texts) as file:
        if some is None:
            # Several files are read at once; threads for their columns would be in each other's way.
            return file.read(use_threads=False).cast(wanted)
        groups = [some_of(file, group, names, some) for group in range(file.num_row_groups)]
        found = [group for group in groups if group is not None]
        # Text by text anew: what is left of the rows uses few of the words.
        plain = layout.TABLES[table].file_schema()
        return pa.concat_tables([plain.empty_table(), *(one.cast(plain) for one in found)]).cast(
            wanted
        )


def _is_replaced(path: str, fresh: set[tuple[str, str]]) -> bool:
    """Whether a file gives way to new ones; one whose name tells no kind is of nobody's making."""
    match = _NAME.fullmatch(path)
    if match is None:
        date = _DATE.match(path)
        return date is not None and any(date[1] == one for one, _ in fresh)
    return (match["date"], match["kind"]) in fresh


def hash_of(*parts: str | int) -> str:
    """Return sixteen hex digits that stand for some inputs in their order."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()[:16]


def _sources(lake: Lake) -> dict[dt.date, str]:
    """By date, a hash of the files with its events; a file never changes under its name."""
    names: dict[dt.date, list[str]] = defaultdict(list)
    for table in _SOURCES:
        for path in lake.files(table):
            match = re.search(r"/event_date=(\d{4}-\d\d-\d\d)/", path)
            if match:
                name = path.rpartition("/")[2]
                names[dt.date.fromisoformat(match[1])].append(f"{table}/{name}")
    return {date: hash_of(*sorted(found)) for date, found in names.items()}


def _parquet(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        rows.combine_chunks(),
        sink,
        compression="zstd",
        compression_level=1,
        row_group_size=_GROUP_ROWS,
        store_schema=False,
    )
    return sink.getvalue()
