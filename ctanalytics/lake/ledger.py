"""The ledger: which objects were read before, and what became of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctanalytics.lake.layout import table_path
from ctanalytics.lake.ledger_index import Index, Level
from ctanalytics.records import object_key, schema

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake

AGAIN: Final = frozenset(("denied", "gone", "changed", "deferred"))
"""States that say nothing about the object itself: the next ingest tries again."""

READ: Final = frozenset(("ingested", "partial", "empty"))
"""States of objects whose records are rows, as far as they can be."""

SET_ASIDE: Final = frozenset(("quarantined", "partial"))
"""States with a fault in the content: read again only when asked."""

_COLUMNS: Final = ("bucket", "key", "etag", "state", "sha256", "plan_id", "delivery_date")
_DAY: Final = "delivery_date"
_DAY_LONG: Final = dt.timedelta(days=1)
_ROWS: Final = 131_072
"""Of a file, read at a time."""


@dataclass(frozen=True, slots=True)
class Known:
    """The newest word on an object."""

    state: str
    has_etag: bool
    """Whether it is about the ETag that was asked for."""


@dataclass
class Ledger:
    """The newest row of each object, held in memory for the length of an ingest.

    Only of objects that were delivered on the asked days and later, or on no known day: a lake of
    years has rows of billions, and a pass looks at a few days. Both days are read off the key.
    """

    lake: Lake
    _index: Index = field(default_factory=Index, init=False, repr=False)
    _files: frozenset[str] = field(default=frozenset(), init=False, repr=False)
    _version: int = field(default=-1, init=False)
    _floor: dt.date = field(default=dt.date.max, init=False)
    """The first delivery day whose rows are here."""
    _archives: dict[tuple[str, str], frozenset[tuple[str, str]]] = field(
        default_factory=dict, init=False, repr=False
    )
    """By bucket and mark, the keys and ETags of the archives that were read to their end."""

    @property
    def held(self) -> int:
        """Rows in memory."""
        return len(self._index)

    def _refresh(self, objects: Sequence[dict[str, Any]] = ()) -> None:
        """Read what plans have added since the last look, and what these objects need besides."""
        first = min(filter(None, map(_delivery_date, objects)), default=dt.date.max)
        version = self.lake.ingest_version("log_files")
        if version == self._version and first >= self._floor:
            return
        reaches = first >= self._floor
        if not reaches:
            # Each time twice as far, so that a list without order does not have all read every day.
            known = self._floor != dt.date.max
            further = max(self._floor - first, _DAY_LONG) if known else _DAY_LONG
            self._floor = first - min(further, first - dt.date.min)
        files = self._wanted()
        # Files are added, one or a few a plan; where some are gone, all is read anew.
        if self._version >= 0 and reaches and self._files <= files:
            for path in sorted(files - self._files):
                for rows in self._read(path):
                    self._index.add(rows)
        else:
            self._index.replace(rows for path in sorted(files) for rows in self._read(path))
        self._files, self._version, self._archives = files, version, {}

    def _wanted(self) -> frozenset[str]:
        """The table's files that may have rows of the days from the first one on."""
        actions = pa.table(self.lake.table("log_files").get_add_actions(flatten=True))
        return frozenset(
            f"{table_path('log_files')}/{action['path']}"
            for action in actions.to_pylist()
            # A file that doesn't say, or has rows without a day, is always looked into.
            if action.get(f"null_count.{_DAY}") != 0
            or (action.get(f"max.{_DAY}") or dt.date.max) >= self._floor
        )

    def _read(self, path: str) -> Iterator[Level]:
        file = pq.ParquetFile(pa.BufferReader(self.lake.store.read(path)))
        since = pa.scalar(self._floor, pa.date32())
        for batch in file.iter_batches(_ROWS, columns=list(_COLUMNS)):
            # A row without a day may be of any day.
            rows = batch.filter(pc.fill_null(pc.greater_equal(batch[_DAY], since), True))
            if len(rows):
                yield self._index.rows(pl.DataFrame(pl.from_arrow(rows)))

    def unknown(
        self, objects: Sequence[dict[str, Any]], *, retry: bool = False, every: bool = False
    ) -> list[dict[str, Any]]:
        """Return the objects that have to be read, each with `known_sha256` of its last content.

        Args:
            objects: with bucket, key, etag, archived.
            retry: also those whose content was at fault before.
            every: all of them.
        """
        if not objects:
            return []
        self._refresh(objects)
        asked = _frame(objects, "bucket", "key", "etag")
        found = self._index.find(self._index.names(asked))
        again = self._index.codes(AGAIN | (SET_ASIDE if retry else frozenset()))
        archived = np.fromiter((bool(one["archived"]) for one in objects), np.bool_, len(objects))
        restored = np.isin(found.states, self._index.codes(frozenset({"archived"}))) & ~archived
        todo = (
            ~found.known
            | (found.etags != self._index.etags(asked["etag"]))
            | np.isin(found.states, again)
            | restored
        )
        places = range(len(objects)) if every else np.flatnonzero(todo).tolist()
        return [{**objects[place], "known_sha256": found.sha256(place)} for place in places]

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket's objects that were read."""
        with self.lake.engine() as engine:
            rows = engine.run("lake/read_keys", bucket=bucket, states=sorted(READ))
        keys: list[str] = rows["key"].to_pylist()
        return keys

    def is_complete(self, bucket: str, key: str, etag: str, mark: str) -> bool:
        """Tell whether an archive was read to its end, and no member of it waits for another try.

        Args:
            mark: what stands between an archive's key and the names of its members.
        """
        self._refresh()
        if (bucket, mark) not in self._archives:
            with self.lake.engine() as engine:
                rows = engine.run(
                    "lake/complete_archives", bucket=bucket, mark=mark, states=sorted(AGAIN)
                )
            self._archives[bucket, mark] = frozenset(
                zip(rows["key"].to_pylist(), rows["etag"].to_pylist(), strict=True)
            )
        return (key, etag) in self._archives[bucket, mark]

    def states(self, objects: Sequence[dict[str, Any]]) -> list[Known | None]:
        """Return the newest word on each object; None when it was never looked at.

        Args:
            objects: with bucket and key, and the ETag that is meant where one is.
        """
        if not objects:
            return []
        self._refresh(objects)
        asked = _frame(objects, "bucket", "key", "etag")
        found = self._index.find(self._index.names(asked))
        same = found.etags == self._index.etags(asked["etag"])
        return [
            Known(self._index.state(code), bool(has_etag)) if known else None
            for known, code, has_etag in zip(found.known, found.states, same, strict=True)
        ]


def _delivery_date(found: dict[str, Any]) -> dt.date | None:
    return object_key.parse(found["key"]).delivery_date


def _frame(objects: Sequence[dict[str, Any]], *names: str) -> pl.DataFrame:
    return pl.DataFrame({name: [found.get(name) for found in objects] for name in names})


def row(found: dict[str, Any], plan_id: int, now: dt.datetime, **columns: Any) -> dict[str, Any]:
    """Return a ledger row for a listed object; what the columns don't say is null."""
    made = dict.fromkeys(schema.LOG_FILES.names)
    made |= {name: found[name] for name in made if name in found}
    made["last_modified"] = dt.datetime.fromisoformat(found["last_modified"])
    return made | {"plan_id": plan_id, "ingested_at": now} | columns
