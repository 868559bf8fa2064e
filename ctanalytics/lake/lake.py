"""A lake: opened or created, read through an engine, appended to in whole commits."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from ctanalytics import settings
from ctanalytics.errors import LakeError, LakeMissing, LakeNewer
from ctanalytics.lake import layout, upgrade
from ctanalytics.lake.lease import Lease
from ctanalytics.lake.store import PROBES, Store, open_store
from ctanalytics.lake.tables import (
    commit_errors,
    create_table,
    last_transaction,
    not_opened,
    nullable,
)

if TYPE_CHECKING:
    from ctanalytics.engines.duckdb import Engine

CREATE_LEASE: Final = "create"
"""Held while a lake is made; of no use once it is there."""

_INGEST: Final = "ingest"
_COMMIT_TRIES: Final = 20


class Lake:
    """A lake at a place. Cheap to make; every read looks at the newest commits.

    Args:
        uri: a folder, or s3://bucket/prefix.
        aws: how an S3 lake is reached.

    Raises:
        LakeMissing: there is none at this place.
        LakeNewer: a newer ctanalytics wrote it.
        LakeError: the place can't be read, or an older lake can't be upgraded.
    """

    def __init__(self, uri: str | Path, aws: settings.LakeAws | None = None) -> None:
        self.store: Store = open_store(str(uri), aws or settings.LakeAws())
        try:
            marker = self.store.read(layout.MARKER)
        except FileNotFoundError:
            raise LakeMissing(
                "there is no lake here",
                where=self.store.uri,
                mend="`ctanalytics ingest SOURCE --lake LAKE` makes one; or name another --lake",
            ) from None
        found = _understood(marker, self.store.uri)
        if found.version < layout.FORMAT_VERSION:
            found = _understood(upgrade.upgrade(self.store), self.store.uri)
        self.created_at: dt.datetime = found.created_at
        self._older = upgrade.older_files(self.store) if found.upgraded else {}
        self._handles: dict[str, tuple[dict[str, str] | None, DeltaTable]] = {}
        self.sessions: list[Engine] | None = None
        """Where sessions put themselves, where somebody has to interrupt them."""

    @classmethod
    def open(cls, uri: str | Path, aws: settings.LakeAws | None = None) -> Self:
        """Open a lake that is there; the same as `Lake(uri)`."""
        return cls(uri, aws)

    @classmethod
    def create(cls, uri: str | Path, aws: settings.LakeAws | None = None) -> Self:
        """Open the lake at a place, or make it when there is none; two makers make one."""
        store = open_store(str(uri), aws or settings.LakeAws())
        if not store.exists(layout.MARKER):
            if not _only_ours(store):
                raise LakeError(
                    "this place holds files that are not a lake",
                    where=store.uri,
                    mend="name an empty or a new place with --lake",
                )
            lease = Lease.acquire(store, CREATE_LEASE)
            try:
                store.delete_all(list(store.list(PROBES)))  # of makers that were killed
                store.probe()
                _make(store)
            finally:
                lease.release()
        return cls(uri, aws)

    @property
    def uri(self) -> str:
        """Where the lake lies: an absolute path, or s3://bucket/prefix."""
        return self.store.uri

    def table(self, name: str) -> DeltaTable:
        """Return a Delta table at its newest commit."""
        options = self.store.storage_options()
        known, handle = self._handles.get(name, (None, None))
        try:
            # A handle keeps the keys it was opened with, and those of a role end within the hour.
            if handle is None or known != options:
                place = self.store.location(layout.table_path(name))
                handle = DeltaTable(place, storage_options=options)
                self._handles[name] = options, handle
            else:
                handle.update_incremental()
        except (DeltaError, OSError) as error:
            raise not_opened(name, error, self.uri) from error
        return handle

    def files(self, name: str) -> list[str]:
        """Return the places of a table's Parquet files, sorted."""
        # Delta escapes paths; a reader wants them as they lie on disk.
        return sorted(unquote(uri).removeprefix("file://") for uri in self.table(name).file_uris())

    def lacking(self, name: str) -> Mapping[str, Sequence[str]]:
        """Return columns that files from before an upgrade don't have: a file's place -> names."""
        columns, folder = layout.LATER_COLUMNS.get(name, ()), layout.table_path(name)
        return {
            self.store.location(f"{folder}/{path}"): columns for path in self._older.get(name, ())
        }

    def engine(
        self,
        *,
        locked: bool = False,
        threads: int | None = None,
        memory_bytes: int | None = None,
        verified_only: bool = False,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        org_wide: bool = False,
        lookups: Mapping[str, str] | None = None,
        filters: Mapping[str, str] | None = None,
        database: str = ":memory:",
    ) -> Engine:
        """Return a DuckDB session over all tables and views, as of now.

        Args:
            locked: no file and no network but the lake's tables, for SQL that users write.
            verified_only: only records of log files that a digest vouches for are there.
            since: only events from here on, and no older files are named.
            until: only events before this time.
            org_wide: a call that several accounts log is one row.
            lookups: further tables, each with its CSV or Parquet file.
            filters: conditions in SQL of ours on the rows of tables and views, by their names.
            database: a new DuckDB file, in which the tables and views then last.
        """
        from ctanalytics.engines.duckdb import Engine
        from ctanalytics.engines.table_files import TableFiles

        # In the reverse order of their commits: who sees a plan's events has its ledger rows too.
        files = {name: self.files(name) for name in reversed(layout.TABLES)}
        tables = {
            name: TableFiles(spec.schema, files[name], spec.partition, self.lacking(name))
            for name, spec in layout.TABLES.items()
        }
        return Engine(
            tables,
            threads=threads,
            memory_bytes=memory_bytes,
            locked=locked,
            directories=(self.store.location("tables") + "/",),
            filesystem=self.store.filesystem(),
            filters=_filters(verified_only=verified_only, more=filters or {}),
            since=since,
            until=until,
            org_wide=org_wide,
            lookups=lookups or {},
            database=database,
            sessions=self.sessions,
        )

    def append(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table in one commit; for tables that no ingest fills."""
        spec = layout.TABLES[name]
        if not rows.num_rows:
            return
        with commit_errors(self.store, name):
            write_deltalake(
                self.table(name),
                rows.select(spec.schema.names).cast(nullable(spec.schema)),
                mode="append",
                commit_properties=CommitProperties(max_commit_retries=_COMMIT_TRIES),
            )

    @contextmanager
    def lease(self, name: str, *, wait_seconds: float = 600.0) -> Iterator[Lease]:
        """Hold a named lease for the length of a with block, waiting for whoever holds it."""
        lease = Lease.acquire(self.store, name, wait_seconds=wait_seconds)
        try:
            yield lease
        finally:
            lease.release()

    def ingest_version(self, name: str) -> int:
        """Return the number of the last plan whose rows a table has; 0 when none."""
        return last_transaction(self.table(name), name, _INGEST, self.uri)

    def commit_plan(self, name: str, plan_id: int, adds: Sequence[Mapping[str, Any]]) -> bool:
        """Add a plan's files to a table, unless the table has them already.

        Args:
            adds: path (within the table), size, partition (text or None), stats (JSON text).

        Returns:
            Whether this call made the commit.
        """
        spec = layout.TABLES[name]
        for _ in range(_COMMIT_TRIES):
            table = self.table(name)
            # The transaction's number alone stops nobody: it has to be looked at.
            if last_transaction(table, name, _INGEST, self.uri) >= plan_id:
                return False
            actions: list[AddAction | RemoveAction] = [
                AddAction(
                    path=add["path"],
                    size=add["size"],
                    partition_values={layout.PARTITION: add["partition"]}
                    if spec.partitioned
                    else {},
                    modification_time=int(time.time() * 1_000),
                    data_change=True,
                    stats=add["stats"],
                )
                for add in adds
            ]
            try:
                with commit_errors(self.store, name):
                    table.create_write_transaction(
                        actions,
                        "append",
                        nullable(spec.schema),
                        [layout.PARTITION] if spec.partitioned else None,
                        commit_properties=CommitProperties(
                            max_commit_retries=0, app_transactions=[Transaction(_INGEST, plan_id)]
                        ),
                    )
            except CommitFailedError:
                continue  # somebody else's commit came first; perhaps it was this plan
            return True
        raise LakeError(
            f"the table {name} changes faster than a commit can be made",
            where=self.uri,
            mend="run the ingest again; what it read is kept",
        )


def _filters(*, verified_only: bool, more: Mapping[str, str]) -> dict[str, str]:
    """Conditions on tables and views; of a table with two both hold."""
    from ctanalytics.engines import statements

    found = dict(more)
    if verified_only:
        verified = statements.statement("lake/verified")
        for name in layout.RECORD_TABLES:
            found[name] = f"({found[name]}) and ({verified})" if name in found else verified
    return found


def _make(store: Store) -> None:
    """Make the tables, then the marker: a place without it is no lake yet."""
    if store.exists(layout.MARKER):
        return
    for name in layout.TABLES:
        create_table(store, name)
    marker = {
        "format": "ctanalytics-lake",
        "version": layout.FORMAT_VERSION,
        "created_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    store.put_once(layout.MARKER, json.dumps(marker, indent=2).encode())


def _only_ours(store: Store) -> bool:
    """Whether the place is empty, or a creation was begun here, by now perhaps ended by another."""
    for path in store.list(""):
        if not path.startswith(("tables/", "leases/")):
            return store.exists(layout.MARKER)
    return True


class _Marker(NamedTuple):
    version: int
    created_at: dt.datetime
    upgraded: bool


def _understood(marker: bytes, uri: str) -> _Marker:
    try:
        found = json.loads(marker)
        version, created = int(found["version"]), dt.datetime.fromisoformat(found["created_at"])
        upgraded = "upgraded_from" in found
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(
            f"{layout.MARKER} can't be understood: {error}",
            where=uri,
            mend="restore that file, or name another --lake",
        ) from error
    if version > layout.FORMAT_VERSION:
        raise LakeNewer(
            f"the lake has format {version}, this ctanalytics reads up to {layout.FORMAT_VERSION}",
            where=uri,
            mend="install a newer ctanalytics",
        )
    if version < 1:
        raise LakeError(
            f"{layout.MARKER} can't be understood: there is no format {version}",
            where=uri,
            mend="restore that file, or name another --lake",
        )
    return _Marker(version, created, upgraded)
