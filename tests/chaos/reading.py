"""What a lake holds, as counts and hashes; and a reader that looks again and again while others work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import duckdb
from deltalake import DeltaTable

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
    )
)
"""Columns that tell which run, and when: they differ between any two runs."""

AS_A_SET: Final = frozenset(
    ("outbox", "marks", "account_directory", "user_directory", "series_budget")
)
"""Tables in which the same row may stand twice: readers take the newest of a key."""

NOT_COMPARED: Final = frozenset(("runs",))
"""Says what each run did."""

VIEWS: Final = ("events", "anomalies", "incidents", "ingest_files", "event_versions")

_SEEN: Final = "select count(*), coalesce(sum(hash(event_id, source_object)), 0)::varchar from "


def contents(place: Path | str, *, but: frozenset[str] = frozenset()) -> Contents:
    """Return what all tables hold, without the columns and the tables that differ by nature."""
    found: Contents = {}
    with Lake.open(str(place)).engine() as engine:
        for name, spec in TABLES.items():
            if name in NOT_COMPARED | but:
                continue
            columns = ", ".join(sql_identifier(c) for c in spec.schema.names if c not in OF_A_RUN)
            distinct = "distinct" if name in AS_A_SET else ""
            row = engine.sql(
                f"select count(*) as n, coalesce(sum(h), 0)::varchar as h "
                f"from (select {distinct} hash({columns}) as h from lake.{name})"
            ).to_pylist()[0]
            found[name] = (row["n"], row["h"])
    return found


def look(place: Lake | str) -> tuple[int, str, int]:
    """Look at a lake once: events, their hash, and events whose log file the ledger does not know."""
    lake = place if isinstance(place, Lake) else Lake.open(place)
    with lake.engine() as engine:
        events = engine.sql(f"{_SEEN} lake.events").to_pylist()[0].values()
        strangers = engine.sql(
            "select count(*) as n from lake.events e where not exists (select 1 "
            "from lake.log_files f where e.source_object = f.bucket || '/' || f.key)"
        ).to_pylist()[0]["n"]
    count, total = events
    return count, total, strangers


def watch(home: Path, arguments: list[str]) -> int:
    """Read a lake until a file `stop` is there; what was seen goes to a file, each state once."""
    place, out = arguments
    seen: set[tuple[int, str, int]] = set()
    looks = 0
    while not (home / "stop").exists():
        try:
            lake = Lake.open(place)
        except LakeMissing:
            continue
        seen.add(look(lake))
        looks += 1
    Path(out).write_text(json.dumps({"looks": looks, "seen": sorted(seen)}), "utf-8")
    return 0


def committed(place: Path) -> set[tuple[int, str]]:
    """Return what `watch` may see of `events`: the states that its commits have made."""
    root = str(place / table_path("events"))
    last = DeltaTable(root).version()
    found: set[tuple[int, str]] = set()
    for version in range(last + 1):
        files = [
            uri.removeprefix("file://") for uri in DeltaTable(root, version=version).file_uris()
        ]
        if not files:
            found.add((0, "0"))
            continue
        if not all(Path(file).exists() for file in files):
            continue  # vacuumed: nobody can see it any more
        with duckdb.connect() as session:
            row = session.execute(f"{_SEEN} read_parquet(?)", [files]).fetchone()
        assert row is not None
        found.add((int(row[0]), str(row[1])))
    return found
