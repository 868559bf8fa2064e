"""What a lake holds, as counts and hashes; and a reader that looks again and again while others work."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import LakeMissing
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES, table_path
from ctanalytics.untrusted import sql_identifier

Contents = dict[str, tuple[int, str]]
"""By table, how many rows and the sum of their hashes."""

OF_A_RUN: Final = frozenset(
    (
        "plan_id",
        "ingested_at",
        "quarantined_at",
        "detected_at",
        "updated_at",
        "at",
        "marked_at",
        "run_id",
        "message_id",
        "attempts",
        "computed_at",
        "opened_at",
        "read_at",
        "decided_at",
        "last_modified",
    )
)
"""Columns that tell which run, and when: they differ between any two runs, or between two buckets."""

AS_A_SET: Final = frozenset(
    ("outbox", "marks", "account_directory", "user_directory", "series_budget")
)
"""Tables in which the same row may stand twice: readers take the newest of a key."""

NOT_COMPARED: Final = frozenset(("runs",))
"""Says what each run did."""

SEEN: Final = {
    "events": "event_id, source_object",
    "log_files": "key, state",
    "anomalies": "anomaly_id, detector",
    "incidents": "incident_id",
}
"""What readers look at, and by which columns a state is told."""

_KNOWN: Final[dict[tuple[str, ...], tuple[int, str]]] = {}
"""By a table's files, what they hold: no name is given to a file twice."""


class Look(NamedTuple):
    """What a reader saw at once."""

    tables: tuple[tuple[str, int, str], ...]
    """Name, rows and the sum of their hashes."""
    strangers: int
    """Events whose log file the ledger does not know."""


def contents(place: Path | str, *, but: frozenset[str] = frozenset()) -> Contents:
    """Return what all tables hold, without the columns and the tables that differ by nature."""
    found: Contents = {}
    lake = Lake.open(str(place))
    names = [name for name in TABLES if name not in NOT_COMPARED | but]
    files = {name: ("contents", name, *sorted(lake.files(name))) for name in names}
    if any(files[name] not in _KNOWN for name in names):
        with lake.engine() as engine:
            for name in names:
                if files[name] not in _KNOWN:
                    _KNOWN[files[name]] = _rows(engine, name)
    for name in names:
        found[name] = _KNOWN[files[name]]
    return found


def _rows(engine: Engine, name: str) -> tuple[int, str]:
    names = TABLES[name].schema.names
    columns = ", ".join(sql_identifier(c) for c in names if c not in OF_A_RUN)
    distinct = "distinct" if name in AS_A_SET else ""
    row = engine.sql(
        f"select count(*) as n, coalesce(sum(h), 0)::varchar as h "
        f"from (select {distinct} hash({columns}) as h from lake.{name})"
    ).to_pylist()[0]
    return row["n"], row["h"]


def _state(name: str) -> str:
    return f"select count(*), coalesce(sum(hash({SEEN[name]})), 0)::varchar from "


def look(place: Lake | str) -> Look:
    """Look at a lake once."""
    lake = place if isinstance(place, Lake) else Lake.open(place)
    with lake.engine() as engine:
        tables = []
        for name in SEEN:
            count, total = engine.sql(f"{_state(name)} lake.{name}").to_pylist()[0].values()
            tables.append((name, count, total))
        strangers = engine.sql(
            "select count(*) as n from lake.events e where not exists (select 1 "
            "from lake.log_files f where e.source_object = f.bucket || '/' || f.key)"
        ).to_pylist()[0]["n"]
    return Look(tuple(tables), strangers)


def watch(home: Path, arguments: list[str]) -> int:
    """Read a lake until a file `stop` is there; what was seen goes to a file, each state once."""
    place, out = arguments
    seen: set[Look] = set()
    while not (home / "stop").exists():
        try:
            lake = Lake.open(place)
        except LakeMissing:
            continue
        seen.add(look(lake))
    Path(out).write_text(json.dumps(sorted(seen)), "utf-8")
    return 0


def watched(path: Path) -> list[Look]:
    """Return what `watch` has written."""
    lines = json.loads(path.read_text("utf-8"))
    return [Look(tuple(map(tuple, tables)), strangers) for tables, strangers in lines]


def halves(place: Path, looks: Iterable[Look]) -> Iterator[str]:
    """Yield what was seen that no commit has made, or that one commit made and another not yet."""
    looks = list(looks)
    for table in SEEN:
        unknown = {(count, h) for one in looks for name, count, h in one.tables if name == table}
        for state in _commits(place, table):
            unknown.discard(state)
            if not unknown:
                break
        for count, _ in unknown:
            yield f"a reader saw {count} rows in {table}, which no commit has made"
    for strangers in {one.strangers for one in looks} - {0}:
        yield f"a reader saw {strangers} events whose log file the ledger does not know"


def _commits(place: Path, table: str) -> Iterator[tuple[int, str]]:
    """Yield the states that a table's commits have made, the newest first."""
    root = str(place / table_path(table))
    for version in range(DeltaTable(root).version(), -1, -1):
        try:
            uris = DeltaTable(root, version=version).file_uris()
        except DeltaError:
            return  # older logs were removed
        files = [unquote(uri.removeprefix("file://")) for uri in uris]
        if not files:
            yield (0, "0")
            continue
        known = ("commit", table, *sorted(files))
        if known not in _KNOWN:
            if not all(Path(file).exists() for file in files):
                continue  # vacuumed: nobody can see it any more
            with duckdb.connect() as session:
                row = session.execute(f"{_state(table)} read_parquet(?)", [files]).fetchone()
            assert row is not None
            _KNOWN[known] = (int(row[0]), str(row[1]))
        yield _KNOWN[known]
