"""Vacuum: what no table has goes in time; what anyone may still need stays."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from pathlib import Path

import pytest

from ctanalytics.app.lake.check import check
from ctanalytics.app.lake.compact import compact
from ctanalytics.app.lake.vacuum import vacuum
from ctanalytics.errors import LakeError, UsageError
from ctanalytics.lake import maintenance, plans
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES, table_path
from ctanalytics.settings import Care, Settings
from tests.app.lake.making import CLOSED, care, everything, small_files

DAYS = 86_400.0


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Fourteen files over two days."""
    return small_files(tmp_path, apart=8_000)


def parquet(lake: Lake) -> set[Path]:
    return {
        path
        for path in Path(lake.uri, "tables").rglob("*")
        if path.is_file() and "_delta_log" not in path.parts
    }


def aged(path: Path, days: float = 3.0) -> Path:
    old = time.time() - days * DAYS
    os.utime(path, (old, old))
    return path


def stray(lake: Lake, name: str, days: float = 3.0) -> Path:
    path = Path(lake.uri, "tables/events/event_date=2026-03-01", name)
    path.write_bytes(b"rows of no table")
    return aged(path, days)


def test_files_of_before_a_compaction_stay_a_day_and_then_go(lake: Lake) -> None:
    compact(lake, settings=care(), now=CLOSED)
    before = everything(lake)
    files = parquet(lake)
    assert vacuum(lake).files == 0
    assert parquet(lake) == files
    result = vacuum(lake, retention_hours=0, force=True)
    live = {Path(file) for name in TABLES for file in lake.files(name)}
    assert parquet(lake) == live
    assert result.files == len(files) - len(live)
    assert everything(lake) == before
    assert check(lake, deep=True).flaws == []


def test_a_reader_of_before_a_compaction_reads_on_after_a_vacuum_within_the_day(
    lake: Lake,
) -> None:
    with lake.engine() as engine:
        compact(lake, settings=care(), now=CLOSED)
        vacuum(lake)
        assert engine.sql("select * from events").num_rows == 84


def test_files_that_were_never_committed_go_when_they_are_old(lake: Lake) -> None:
    old = [stray(lake, name) for name in ("closed-1.parquet", "plan-000000000001-x.parquet")]
    half = stray(lake, ".tmp-0123")
    young = [stray(lake, name, days=0.5) for name in ("closed-2.parquet", ".tmp-4567")]
    result = vacuum(lake)
    assert result.files == 3
    assert not any(path.exists() for path in [*old, half])
    assert all(path.exists() for path in young)


def test_what_killed_runs_left_goes_when_it_is_old(lake: Lake) -> None:
    for run in ("run-old", "run-young"):
        lake.store.write(f"staging/{run}/rows.parquet", b"rows of nobody")
    old = aged(Path(lake.uri, "staging/run-old/rows.parquet"))
    assert [one.paths for one in vacuum(lake, dry_run=True).tables if one.files] == [
        ["staging/run-old/rows.parquet"]
    ]
    assert old.exists()
    assert vacuum(lake).files == 1
    assert [*lake.store.list("staging/")] == ["staging/run-young/rows.parquet"]


def test_files_that_an_unfinished_plan_has_written_stay(lake: Lake) -> None:
    plan = {"plan_id": 15, "owner": {}, "source": {}, "objects": [], "settings_hash": ""}
    assert plans.claim(lake, plan)
    of_plan = stray(lake, "plan-000000000015-x.parquet")
    of_old_plan = stray(lake, "plan-000000000003-x.parquet")
    result = vacuum(lake)
    assert (of_plan.exists(), of_old_plan.exists()) == (True, False)
    assert sum(one.kept_for_plans for one in result.tables) == 1
    lake.store.delete(plans.plan_path(15))
    vacuum(lake)
    assert not of_plan.exists()


def test_files_that_a_result_names_stay_whatever_their_names(lake: Lake) -> None:
    path = stray(lake, "odd.parquet")
    add = {"path": "event_date=2026-03-01/odd.parquet", "size": 1, "partition": "", "stats": ""}
    result = json.dumps({"plan_id": 15, "adds": {"events": [add]}}).encode()
    lake.store.write(plans.result_path(15), result)
    vacuum(lake)
    assert path.exists()


def test_what_an_ingest_at_work_may_read_stays_even_with_no_retention(lake: Lake) -> None:
    plan = {"plan_id": 15, "owner": {}, "source": {}, "objects": [], "settings_hash": ""}
    assert plans.claim(lake, plan)
    files = {Path(file) for file in lake.files("events")}
    compact(lake, settings=care(), now=CLOSED)
    vacuum(lake, retention_hours=0, force=True)
    assert all(path.exists() for path in files)


def test_a_dry_run_names_the_files_and_deletes_none(lake: Lake) -> None:
    path = stray(lake, "closed-1.parquet")
    result = vacuum(lake, dry_run=True)
    named = [name for one in result.tables for name in one.paths]
    assert named == ["event_date=2026-03-01/closed-1.parquet"]
    assert (result.files, result.size_bytes, path.exists()) == (1, 16, True)


@pytest.mark.parametrize("hours", [0.0, 23.9, -1.0])
def test_less_than_a_day_is_refused_without_force(hours: float, lake: Lake) -> None:
    with pytest.raises(UsageError, match="readers"):
        vacuum(lake, retention_hours=hours)
    with pytest.raises(UsageError, match="readers"):
        vacuum(lake, settings=Settings(care=Care(retention_hours=hours)))


def test_a_vacuum_waits_for_a_compaction(lake: Lake) -> None:
    with lake.lease(maintenance.LEASE), pytest.raises(LakeError, match="lease maintenance"):
        lake.lease(maintenance.LEASE, wait_seconds=0.1).__enter__()


def test_old_commits_of_the_log_go_and_the_table_stays_whole(lake: Lake) -> None:
    for number in range(15, 45):
        lake.commit_plan("events", number, [])
    before = everything(lake)
    log = Path(lake.uri, table_path("events"), "_delta_log")
    commits = sorted(log.glob("*.json"))
    for path in commits[:-2]:
        aged(path, 40)
    vacuum(lake)
    left = sorted(log.glob("*.json"))
    assert len(left) < len(commits)
    assert everything(Lake.open(lake.uri)) == before
    assert lake.ingest_version("events") == 44


def test_it_is_remembered_when_it_was(lake: Lake) -> None:
    vacuum(lake)
    found = maintenance.remembered(lake, "vacuum")
    assert found is not None
    assert dt.datetime.fromisoformat(found["at"]).tzinfo is not None
