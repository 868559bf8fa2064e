"""Commits that take files out of a table: never over each other, and never over stale knowledge.

Delta lets two commits that remove the same file both succeed when each only adds and removes. So
every such commit carries the next number of the application "maintenance", read from the snapshot
whose files it removes; of two with one number the second fails, while appends go on beside them.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from ctanalytics.errors import LakeError
from ctanalytics.lake import layout
from ctanalytics.lake.tables import commit_errors, last_transaction, nullable

if TYPE_CHECKING:
    from ctanalytics.lake.lake import Lake

LEASE: Final = "maintenance"
"""Held by whoever compacts, expires or vacuums; it spares double work, and promises nothing."""

_MAINTENANCE: Final = "maintenance"
_INGEST: Final = "ingest"
_COMMIT_TRIES: Final = 20
_MERGED: Final = re.compile(r"merged-(\d{1,3})-")
_CLOSED: Final = "closed-"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file that a table has."""

    path: str
    size_bytes: int
    rows: int
    date: dt.date | None
    """Its partition; None in a table without."""
    since: dt.datetime | None
    until: dt.datetime | None
    """Its least and greatest event_time, where the table's log has them."""
    modified: dt.datetime

    @property
    def name(self) -> str:
        """The file's name, which tells what it has been through."""
        return self.path.rpartition("/")[2]

    @property
    def is_closed(self) -> bool:
        """Whether it was written when its date was closed: sorted for good."""
        return self.name.startswith(_CLOSED)

    @property
    def level(self) -> int:
        """How often its rows were merged; 0: as an ingest wrote it."""
        match = _MERGED.match(self.name)
        return int(match[1]) if match else 0


def merged_prefix(level: int) -> str:
    """How the names of files begin whose rows were merged so often."""
    return f"merged-{level}-"


def closed_prefix() -> str:
    """How the names of a closed date's files begin."""
    return _CLOSED


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table's files at one commit."""

    table: str
    version: int
    maintenance: int
    """How many commits have removed files before."""
    ingested: int
    """The last ingest plan that the table has."""
    files: tuple[DataFile, ...]


def snapshot(lake: Lake, table: str) -> Snapshot:
    """Return a table's files as of now, in the order of their paths."""
    opened = _open(lake, table)
    partition = layout.TABLES[table].partition
    actions = pa.table(opened.get_add_actions(flatten=True)).to_pylist()
    files = [
        DataFile(
            path=action["path"],
            size_bytes=action["size_bytes"],
            rows=action["num_records"] or 0,
            date=action[f"partition.{partition}"] if partition else None,
            since=action.get("min.event_time"),
            until=action.get("max.event_time"),
            modified=_moment(action["modification_time"]),
        )
        for action in actions
    ]
    return Snapshot(
        table=table,
        version=opened.version(),
        maintenance=last_transaction(opened, table, _MAINTENANCE, lake.uri),
        ingested=last_transaction(opened, table, _INGEST, lake.uri),
        files=tuple(sorted(files, key=lambda file: file.path)),
    )


def replace(
    lake: Lake,
    seen: Snapshot,
    removes: Collection[str],
    adds: Sequence[Mapping[str, Any]],
    *,
    why: str,
    loses_rows: bool = False,
    plan_id: int | None = None,
) -> bool:
    """Take files out of a table and put others in, in one commit.

    Args:
        seen: the snapshot whose files are removed.
        removes: paths of the snapshot's files.
        adds: what takes their place; as `Lake.commit_plan` takes them.
        why: compact or expire; the table's history tells it.
        loses_rows: whether the rows are others than before.
        plan_id: of the ingest plan whose rows are among the adds.

    Returns:
        False when another commit has removed files since; then nothing was done, and what was
        made of the old files has to be made anew. What was written stays for `vacuum`.
    """
    spec = layout.TABLES[seen.table]
    known = {file.path: file for file in seen.files}
    now = int(time.time() * 1_000)
    actions: list[AddAction | RemoveAction] = [
        RemoveAction(
            path,
            loses_rows,
            now,
            known[path].size_bytes,
            _partition(_text(known[path].date), spec),
        )
        for path in sorted(removes)
    ]
    actions += [
        AddAction(
            path=add["path"],
            size=add["size"],
            partition_values=_partition(add["partition"], spec),
            modification_time=now,
            data_change=loses_rows,
            stats=add["stats"],
        )
        for add in adds
    ]
    # Opened at the snapshot's version: what came later is looked at for conflicts by number.
    opened = _open(lake, seen.table, seen.version)
    try:
        with commit_errors(lake.store, seen.table):
            opened.create_write_transaction(
                actions,
                "append",
                nullable(spec.schema),
                [layout.PARTITION] if spec.partitioned else None,
                commit_properties=CommitProperties(
                    custom_metadata={"ctanalytics": why},
                    max_commit_retries=_COMMIT_TRIES,
                    app_transactions=[
                        Transaction(_MAINTENANCE, seen.maintenance + 1),
                        *([Transaction(_INGEST, plan_id)] if plan_id is not None else []),
                    ],
                ),
            )
    except CommitFailedError:
        # A commit whose answer was lost on its way back meets itself: then its files are there.
        have = {file.path for file in snapshot(lake, seen.table).files}
        return bool(adds) and have.issuperset(add["path"] for add in adds)
    return True


def remember(lake: Lake, what: str, found: Mapping[str, Any]) -> None:
    """Note when some care was last taken of the lake, and what it came to."""
    lake.store.write(_note(what), json.dumps(found, default=str).encode())


def remembered(lake: Lake, what: str) -> dict[str, Any] | None:
    """Return what `remember` was last told; None when never."""
    try:
        found = json.loads(lake.store.read(_note(what)))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _note(what: str) -> str:
    return f"care/{what}.json"


def _open(lake: Lake, table: str, version: int | None = None) -> DeltaTable:
    # Not the lake's own handle: that moves on with every look.
    store = lake.store
    place = store.location(layout.table_path(table))
    try:
        return DeltaTable(place, version=version, storage_options=store.storage_options())
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"the table {table} can't be opened: {error}",
            where=lake.uri,
            mend="check that the lake is whole and may be read",
        ) from error


def _partition(date: str | None, spec: layout.TableSpec) -> dict[str, str | None]:
    return {layout.PARTITION: date} if spec.partitioned else {}


def _text(date: dt.date | None) -> str | None:
    return date.isoformat() if date else None


def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)


def expired(lake: Lake) -> tuple[dt.date | None, bool]:
    """Return the first day that an expiry has left, and whether the ledger was expired too.

    Raises:
        LakeError: what is remembered can't be understood.
    """
    found = remembered(lake, "expire")
    try:
        return (
            (dt.date.fromisoformat(found["before"]), bool(found.get("ledger")))
            if found
            else (None, False)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LakeError(
            f"care/expire.json can't be understood: {error}",
            where=lake.uri,
            mend="remove that file, or expire the lake again",
        ) from error
