"""The ledger: which objects were read before, and what became of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics.records import schema

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake

AGAIN: Final = frozenset(("denied", "gone", "changed", "deferred"))
"""States that say nothing about the object itself: the next ingest tries again."""

READ: Final = frozenset(("ingested", "partial", "empty"))
"""States of objects whose records are rows, as far as they can be."""

SET_ASIDE: Final = frozenset(("quarantined", "partial"))
"""States with a fault in the content: read again only when asked."""

_COLUMNS: Final = ("bucket", "key", "etag", "state", "storage_class", "sha256", "plan_id")


_EMPTY: Final = pl.DataFrame(pl.from_arrow(schema.LOG_FILES.empty_table().select(_COLUMNS)))


@dataclass(frozen=True, slots=True)
class Known:
    """The newest word on an object."""

    state: str
    etag: str | None


@dataclass
class Ledger:
    """The newest row of each object, held in memory for the length of an ingest."""

    lake: Lake
    _frame: pl.DataFrame = field(init=False, repr=False)
    _files: frozenset[str] = field(default=frozenset(), init=False)
    _version: int = field(default=-1, init=False)

    def refresh(self) -> None:
        """Read what plans have added since the last look."""
        version = self.lake.ingest_version("log_files")
        if version == self._version:
            return
        files = frozenset(self.lake.files("log_files"))
        # Files are added, one or a few a plan; where some are gone, all is read anew.
        goes_on = self._version >= 0 and self._files <= files
        frames = [self._read(path) for path in sorted(files - self._files if goes_on else files)]
        known = [self._frame] if goes_on else [_EMPTY]
        self._frame = (
            pl.concat([*known, *frames])
            .sort("plan_id", maintain_order=True)
            # A row that read nothing (denied, changed under our hands) knows no content.
            .with_columns(pl.col("sha256").forward_fill().over("bucket", "key"))
            .unique(["bucket", "key"], keep="last", maintain_order=True)
        )
        self._files, self._version = files, version

    def _read(self, path: str) -> pl.DataFrame:
        data = self.lake.store.read(path.removeprefix(self.lake.uri).lstrip("/"))
        rows = pq.ParquetFile(pa.BufferReader(data)).read(columns=list(_COLUMNS))
        return pl.DataFrame(pl.from_arrow(rows))

    def is_empty(self) -> bool:
        """Tell whether no object was ever read."""
        self.refresh()
        return self._frame.is_empty()

    def unknown(
        self, objects: Sequence[dict[str, Any]], *, retry: bool = False, every: bool = False
    ) -> list[dict[str, Any]]:
        """Return the objects that have to be read, each with `known_sha256` of its last content.

        Args:
            objects: with bucket, key, etag, archived.
            retry: also those whose content was at fault before.
            every: all of them.
        """
        self.refresh()
        if self._frame.is_empty() or not objects:
            return [{**found, "known_sha256": None} for found in objects]
        listed = pl.DataFrame(
            {
                name: [found[name] for found in objects]
                for name in ("bucket", "key", "etag", "archived")
            }
        ).with_row_index("place")
        joined = listed.join(
            self._frame, on=["bucket", "key"], how="left", suffix="_known", maintain_order="left"
        )
        again = AGAIN | (SET_ASIDE if retry else frozenset())
        todo = joined.filter(
            pl.lit(every)
            | pl.col("state").is_null()
            | (pl.col("etag") != pl.col("etag_known"))
            | pl.col("state").is_in(list(again))
            | ((pl.col("state") == "archived") & ~pl.col("archived"))
        )
        return [
            {**objects[place], "known_sha256": sha256}
            for place, sha256 in zip(todo["place"], todo["sha256"], strict=True)
        ]

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket's objects that were read."""
        self.refresh()
        read = ("ingested", "empty", "partial")
        rows = self._frame.filter((pl.col("bucket") == bucket) & pl.col("state").is_in(read))
        return rows["key"].to_list()

    def is_complete(self, bucket: str, key: str, etag: str, members: str) -> bool:
        """Tell whether an archive was read to its end, and no member of it waits for another try.

        Args:
            members: how the keys of its members begin.
        """
        self.refresh()
        own = (pl.col("key") == key) & (pl.col("etag") == etag) & (pl.col("state") == "skipped")
        waiting = pl.col("key").str.starts_with(members) & pl.col("state").is_in(list(AGAIN))
        here = self._frame.filter(pl.col("bucket") == bucket)
        return not here.filter(own).is_empty() and here.filter(waiting).is_empty()

    def states(self, objects: Sequence[dict[str, Any]]) -> list[Known | None]:
        """Return the newest word on each object; None when it was never looked at.

        Args:
            objects: with bucket and key.
        """
        self.refresh()
        if self._frame.is_empty() or not objects:
            return [None] * len(objects)
        asked = pl.DataFrame(
            {name: [found[name] for found in objects] for name in ("bucket", "key")}
        )
        rows = asked.join(self._frame, on=["bucket", "key"], how="left", maintain_order="left")
        return [
            Known(state, etag) if state else None
            for state, etag in zip(rows["state"], rows["etag"], strict=True)
        ]


def row(found: dict[str, Any], plan_id: int, now: dt.datetime, **columns: Any) -> dict[str, Any]:
    """Return a ledger row for a listed object; what the columns don't say is null."""
    made = dict.fromkeys(schema.LOG_FILES.names)
    made |= {name: found[name] for name in made if name in found}
    made["last_modified"] = dt.datetime.fromisoformat(found["last_modified"])
    return made | {"plan_id": plan_id, "ingested_at": now} | columns
