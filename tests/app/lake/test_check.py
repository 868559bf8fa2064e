"""Every kind of damage is found and named; a whole lake has no flaw, whatever was done to it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from ctanalytics.app.lake.check import check
from ctanalytics.app.lake.compact import compact
from ctanalytics.errors import LakeMissing, LakeNewer
from ctanalytics.lake import layout, maintenance, plans
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.lease import owner
from ctanalytics.records import schema
from tests.app.ingesting import run
from tests.app.lake.making import CLOSED, care, small_files
from tests.logs import DATA, record, write


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Fourteen files over two days."""
    return small_files(tmp_path, apart=8_000)


def found(lake: Lake, *, deep: bool = False) -> list[tuple[str, str]]:
    return sorted({(flaw.check, flaw.table) for flaw in check(lake, deep=deep).flaws})


def a_file(lake: Lake, table: str = "events") -> Path:
    return Path(lake.files(table)[0])


def changed(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a file anew, and let the table's log believe that it always had that size."""
    made = change(pq.ParquetFile(path).read())
    pq.write_table(made, path, compression="zstd", write_statistics=["event_time"])
    table = next(folder for folder in path.parents if (folder / "_delta_log").is_dir())
    stated = re.compile(re.escape(path.name) + r'(".*?"size":)\d+')
    for commit in (table / "_delta_log").glob("*.json"):
        size = path.stat().st_size
        commit.write_text(stated.sub(rf"{path.name}\g<1>{size}", commit.read_text()))


def set_column(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(rows: pa.Table) -> pa.Table:
        kind = rows.schema.field(name).type
        place = rows.schema.names.index(name)
        return rows.set_column(place, name, pa.array([value] * len(rows), kind))

    return change


@pytest.mark.parametrize("deep", [False, True])
def test_a_whole_lake_has_no_flaw(deep: bool, lake: Lake) -> None:
    assert found(lake, deep=deep) == []
    compact(lake, settings=care(), now=CLOSED)
    result = check(lake, deep=deep)
    assert result.flaws == []
    assert (result.objects, result.kept, result.records) == (14, 84, 97)
    assert result.kept + result.duplicates + result.quarantined == result.records


def test_a_lake_of_real_files_with_all_their_faults_has_no_flaw(tmp_path: Path) -> None:
    run(DATA, tmp_path / "lake")
    run(DATA, tmp_path / "lake", retry=True)
    result = check(str(tmp_path / "lake"), deep=True)
    assert result.flaws == []
    assert result.complete


def test_contradicting_copies_are_no_flaw(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json.gz", [record(1), record(2)])
    write(tmp_path / "logs/b.json.gz", [record(1, eventName="Other"), record(2)])
    write(tmp_path / "logs/c.json.gz", [record(1, eventName="Other")])
    run(tmp_path / "logs", tmp_path / "lake", plan_objects=1)
    result = check(str(tmp_path / "lake"), deep=True)
    assert (result.flaws, result.conflicts) == ([], 1)


DAMAGE: dict[str, tuple[Callable[[Lake], object], list[tuple[str, str]]]] = {
    "a-file-is-gone": (lambda lake: a_file(lake).unlink(), [("file", "events")]),
    "a-file-is-cut": (
        lambda lake: a_file(lake).write_bytes(a_file(lake).read_bytes()[:-1]),
        [("file", "events")],
    ),
    "a-file-is-other-bytes": (
        lambda lake: a_file(lake).write_bytes(b"x" * a_file(lake).stat().st_size),
        [("file", "events")],
    ),
    "a-file-has-fewer-rows": (
        lambda lake: changed(a_file(lake), lambda rows: rows.slice(1)),
        [("ledger", "log_files"), ("rows", "events")],
    ),
    "a-file-has-more-rows": (
        lambda lake: changed(a_file(lake), lambda rows: pa.concat_tables([rows, rows])),
        [("ledger", "log_files"), ("rows", "events")],
    ),
    "a-file-lacks-a-column": (
        lambda lake: changed(a_file(lake), lambda rows: rows.drop_columns(["event_name"])),
        [("columns", "events")],
    ),
    "a-column-has-another-type": (
        lambda lake: changed(
            a_file(lake),
            lambda rows: rows.set_column(
                rows.schema.names.index("source_row"),
                "source_row",
                rows["source_row"].cast(pa.int64()),
            ),
        ),
        [("columns", "events")],
    ),
    "times-leave-the-statistics-and-the-date": (
        lambda lake: changed(
            a_file(lake),
            lambda rows: rows.set_column(
                rows.schema.names.index("event_time"),
                "event_time",
                pc.add(rows["event_time"], pa.scalar(30 * 86_400_000_000, pa.duration("us"))),
            ),
        ),
        [("date", "events"), ("statistics", "events")],
    ),
    "rows-are-of-an-unknown-object": (
        lambda lake: changed(a_file(lake), set_column("source_object", "file/forged.json.gz")),
        [("ledger", "log_files")],
    ),
    "rows-are-of-an-unknown-plan": (
        lambda lake: changed(a_file(lake), set_column("plan_id", 99)),
        [("ledger", "log_files")],
    ),
    "a-row-lies-behind-the-last-record": (
        lambda lake: changed(a_file(lake), set_column("source_row", 1_000)),
        [("ledger", "log_files")],
    ),
    "the-ledger-lost-an-object": (
        lambda lake: changed(a_file(lake, "log_files"), set_column("key", "another")),
        [("ledger", "log_files")],
    ),
    "the-ledger-lost-its-files": (
        lambda lake: a_file(lake, "log_files").unlink(),
        [("file", "log_files")],
    ),
    "more-in-quarantine-than-the-ledger-says": (
        lambda lake: lake.append(
            "quarantine",
            pa.Table.from_pylist(
                [{"bucket": "file", "key": "x", "record": 1, "plan_id": 1}], schema.QUARANTINE
            ),
        ),
        [("ledger", "log_files")],
    ),
    "a-plan-that-nobody-ends": (
        lambda lake: plans.claim(
            lake, {"plan_id": 15, "source": {}, "objects": [], "settings_hash": ""}
        ),
        [("plan", "")],
    ),
    "one-table-is-ahead": (
        lambda lake: lake.commit_plan("log_files", 15, []),
        [("plan", "")],
    ),
    "staged-rows-of-a-plan-that-is-over": (
        lambda lake: lake.store.write("staging/000000000003/part.arrow", b""),
        [("staging", "")],
    ),
    "what-a-compaction-left": (
        lambda lake: lake.store.write("staging/compact-x/run.parquet", b""),
        [("staging", "")],
    ),
    "a-lease-of-a-dead-process": (
        lambda lake: lake.store.write("leases/emit.json", dead_lease()),
        [("lease", "")],
    ),
    "a-lease-that-nobody-can-read": (
        lambda lake: lake.store.write("leases/emit.json", b"{"),
        [("lease", "")],
    ),
    "others-may-read-the-lake": (
        lambda lake: Path(lake.uri).chmod(0o755),
        [("access", "")],
    ),
}


def dead_lease() -> bytes:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    holder = owner() | {"pid": done.pid}
    return json.dumps({"holder": holder, "expires_at": time.time() + 60}).encode()


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_named(name: str, lake: Lake) -> None:
    damage, expected = DAMAGE[name]
    damage(lake)
    result = check(Lake.open(lake.uri))
    assert sorted({(flaw.check, flaw.table) for flaw in result.flaws}) == expected
    assert not result.complete
    assert all(flaw.what and flaw.where and flaw.mend for flaw in result.flaws)


DEEP: dict[str, tuple[Callable[[Lake], object], list[tuple[str, str]]]] = {
    "a-page-is-damaged": (
        lambda lake: flip(a_file(lake)),
        [("file", "events")],
    ),
    "two-rows-have-one-key": (
        lambda lake: changed(a_file(lake), set_column("event_id", "one")),
        [("key", "events")],
    ),
    "a-status-contradicts-the-date": (
        lambda lake: changed(a_file(lake), set_column("event_time_status", "missing")),
        [("date", "events")],
    ),
}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(byte ^ 0xFF for byte in data[4:400])
    path.write_bytes(data)


@pytest.mark.parametrize("name", DEEP)
def test_damage_inside_of_files_is_found_by_looking_closer(name: str, lake: Lake) -> None:
    damage, expected = DEEP[name]
    damage(lake)
    opened = Lake.open(lake.uri)
    assert found(opened) == []
    assert found(opened, deep=True) == expected


def test_what_belongs_to_a_process_at_work_is_no_flaw(lake: Lake) -> None:
    plan = {"plan_id": 15, "source": {}, "objects": [], "settings_hash": ""}
    with lake.lease(plans.lease_name(15)), lake.lease(maintenance.LEASE):
        plans.claim(lake, plan)
        lake.store.write("staging/000000000015/part.arrow", b"")
        lake.store.write("staging/compact-x/run.parquet", b"")
        lake.commit_plan("log_files", 15, [])
        assert found(lake) == []


def test_a_commit_that_lost_its_numbers_doubles_rows_and_is_found(lake: Lake) -> None:
    rows = pq.ParquetFile(a_file(lake)).read()
    table = DeltaTable(str(Path(lake.uri, layout.table_path("events"))))
    dated = rows.append_column(
        "event_date", pa.array([rows["event_time"][0].as_py().date()] * len(rows))
    )
    write_deltalake(table, dated.select(schema.EVENTS.names), mode="append")
    assert ("ledger", "log_files") in found(lake)
    assert ("key", "events") in found(lake, deep=True)


def test_many_objects_of_one_flaw_are_counted(tmp_path: Path) -> None:
    for number in range(30):
        write(tmp_path / f"logs/{number}.json.gz", [record(number)])
    run(tmp_path / "logs", tmp_path / "lake")
    lake = Lake.open(tmp_path / "lake")
    changed(a_file(lake), set_column("plan_id", 2))
    flaws = [
        flaw.where
        for flaw in check(lake).flaws
        if "unknown" in flaw.what or "does not know" in flaw.what
    ]
    assert len(flaws) == 21
    assert flaws[-1] == "10 more objects"


def test_no_lake_and_a_newer_lake_are_said(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing):
        check(str(tmp_path))
    lake = Lake.create(tmp_path / "lake")
    marker = json.loads(lake.store.read(layout.MARKER)) | {"version": 99}
    lake.store.write(layout.MARKER, json.dumps(marker).encode())
    with pytest.raises(LakeNewer):
        check(str(tmp_path / "lake"))
