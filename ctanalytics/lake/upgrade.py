"""Brings a lake of an older format to today's, when it is opened.

No data file is touched: columns that came later are added to the tables, and are null in the rows
that were there; tables that came later are made. What is changed was copied to `backup/` before.
Every step may be done over, and the marker is written last: a process that dies on the way leaves a
lake of the old format, which the next one upgrades.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from deltalake import DeltaTable, Field
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import DeltaError

from ctanalytics.errors import LakeError
from ctanalytics.lake import layout
from ctanalytics.lake.lease import Lease
from ctanalytics.lake.store import Store
from ctanalytics.lake.tables import create_table, not_opened, nullable

LEASE: Final = "upgrade"


def upgrade(store: Store) -> bytes:
    """Bring a lake to today's format; two processes at once do it once.

    Returns:
        The content of the new marker.

    Raises:
        LakeError: it can't be written to, or a table is not there.
    """
    lease = _lease(store)
    try:
        marker: dict[str, Any] = json.loads(store.read(layout.MARKER))
        for version in range(int(marker["version"]), layout.FORMAT_VERSION):
            _back_up(store, version)
            _STEPS[version](store)
            marker |= {
                "version": version + 1,
                "upgraded_from": marker.get("upgraded_from", version),
            }
            store.write(layout.MARKER, json.dumps(marker, indent=2).encode())
        return store.read(layout.MARKER)
    finally:
        lease.release()


def older_files(store: Store) -> Mapping[str, frozenset[str]]:
    """Return the files that lack the later columns of their tables: table -> paths within it."""
    found: dict[str, frozenset[str]] = {}
    for version in range(1, layout.FORMAT_VERSION):
        try:
            kept = json.loads(store.read(_list_of(version)))
        except FileNotFoundError:
            continue
        for name, paths in kept.items():
            found[name] = found.get(name, frozenset()) | frozenset(paths)
    return found


def _lease(store: Store) -> Lease:
    try:
        return Lease.acquire(store, LEASE)
    except (PermissionError, LakeError, OSError) as error:
        raise LakeError(
            f"an older ctanalytics made this lake, and it can't be upgraded: {error}",
            where=store.uri,
            mend="open it once with rights to write, such as by `ctanalytics lake info`",
        ) from error


def _back_up(store: Store, version: int) -> None:
    """Copy the marker and the tables' logs; the marker last, as the sign that all is there."""
    place = f"backup/format-{version}/"
    if store.exists(place + layout.MARKER):
        return
    for path in list(store.list("tables/")):
        if "/_delta_log/" in path:
            store.write(place + path, store.read(path))
    store.write(place + layout.MARKER, store.read(layout.MARKER))


def _from_1(store: Store) -> None:
    """Format 2 has more tables, and columns for what was masked and when files were delivered."""
    _note_files(store, 1)
    for name, columns in layout.LATER_COLUMNS.items():
        table = _table(store, name)
        there = {column.name for column in table.schema().fields}
        spec = nullable(layout.TABLES[name].schema)
        fields = DeltaSchema.from_arrow(spec).fields
        missing = [column for column in fields if column.name in set(columns) - there]
        if missing:
            table.alter.add_columns([Field(c.name, c.type, nullable=True) for c in missing])
    for name in layout.TABLES:
        if name in layout.FIRST_TABLES:
            _table(store, name)
        else:
            create_table(store, name)


def _note_files(store: Store, version: int) -> None:
    """Write down which files lack columns, those of a plan that is still to be folded too."""
    if store.exists(_list_of(version)):
        return
    found = {name: set[str]() for name in layout.LATER_COLUMNS}
    for name, paths in found.items():
        table = _table(store, name)
        place = store.location(layout.table_path(name)) + "/"
        for uri in table.file_uris():
            paths.add(unquote(uri).removeprefix("file://").removeprefix(place))
    for path in store.list("plans/"):
        if path.endswith(".result.json"):
            for name, adds in json.loads(store.read(path)).get("adds", {}).items():
                found.get(name, set()).update(unquote(add["path"]) for add in adds)
    listed = {name: sorted(paths) for name, paths in found.items()}
    store.write(_list_of(version), json.dumps(listed).encode())


def _list_of(version: int) -> str:
    return f"upgrade/files-of-format-{version}.json"


def _table(store: Store, name: str) -> DeltaTable:
    place = store.location(layout.table_path(name))
    try:
        return DeltaTable(place, storage_options=store.storage_options())
    except DeltaError as error:
        raise not_opened(name, error, store.uri) from error


_STEPS: Final[Mapping[int, Callable[[Store], None]]] = {1: _from_1}
"""From each older format to the next."""
