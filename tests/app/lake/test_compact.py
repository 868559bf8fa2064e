"""Compaction: fewer files, the same rows, whoever else is at work and whenever it is killed."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ctanalytics.app.lake.compact import compact
from ctanalytics.app.lake.expire import expire
from ctanalytics.errors import LakeError, SettingsError, UsageError
from ctanalytics.lake import candidates, maintenance
from ctanalytics.lake.compact import compact_part, part
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Care
from tests.app.ingesting import FreshProcesses, contents, run, start
from tests.app.lake.making import CLOSED, OPEN, care, counts, everything, logs, small_files
from tests.logs import START, corpus, record, write

DATES = ["2026-03-01", "2026-03-02"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Fourteen files over two days."""
    return small_files(tmp_path, apart=8_000)


def test_a_closed_date_becomes_one_sorted_file_with_the_same_rows(lake: Lake) -> None:
    before = everything(lake)
    assert min(counts(lake).values()) > 5
    result = compact(lake, settings=care(), now=CLOSED)
    assert counts(lake) == dict.fromkeys(DATES, 1)
    assert everything(lake) == before
    assert result.complete
    assert {one.why for one in result.done if one.table == "events"} == {"close"}
    assert result.bytes_after < result.bytes_before / 3
    assert compact(lake, settings=care(), now=CLOSED).done == []


def test_rows_of_a_closed_date_lie_sorted_and_say_so(tmp_path: Path) -> None:
    write(
        tmp_path / "logs" / "a.json.gz",
        [
            record(number, userIdentity={"type": "IAMUser", "arn": f"arn:aws:iam::1:user/{n}"})
            for number in range(200)
            for n in [number * 7 % 5]
        ],
    )
    run(tmp_path / "logs", tmp_path / "lake")
    lake = Lake.open(tmp_path / "lake")
    compact(lake, settings=care(group_rows=40), now=CLOSED)
    (path,) = lake.files("events")
    file = pq.ParquetFile(path)
    rows = file.read(["principal_arn", "event_time"]).to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["principal_arn"], row["event_time"]))
    assert file.num_row_groups == 5
    group = file.metadata.row_group(0)
    assert [column.column_index for column in group.sorting_columns] == [
        file.schema_arrow.names.index(name) for name in ("principal_arn", "event_time")
    ]
    place = file.schema_arrow.names.index("principal_arn")
    assert group.column(place).statistics.max == "arn:aws:iam::1:user/0"
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


def test_the_order_of_closed_dates_is_a_setting_and_can_be_changed(lake: Lake) -> None:
    before = everything(lake)
    compact(lake, settings=care(), now=CLOSED)
    by_source = care(sort=["source_object", "source_row"])
    assert compact(lake, settings=by_source, now=CLOSED).done == []
    result = compact(lake, settings=by_source, now=CLOSED, rewrite=True)
    assert {one.table for one in result.done} >= {"events"}
    for path in lake.files("events"):
        rows = pq.ParquetFile(path).read(["source_object", "source_row"]).to_pylist()
        assert rows == sorted(rows, key=lambda row: (row["source_object"], row["source_row"]))
    assert everything(lake) == before


@pytest.mark.parametrize("columns", [["principal"], ["resource_arns"], ["event_date"]])
def test_an_order_that_can_not_be_is_refused(lake: Lake, columns: list[str]) -> None:
    with pytest.raises(SettingsError, match=columns[0]):
        compact(lake, settings=care(sort=columns), now=CLOSED)


def test_a_table_that_there_is_not_is_refused(lake: Lake) -> None:
    with pytest.raises(UsageError, match="there is no table things"):
        compact(lake, tables=["things"])


def test_an_open_date_is_merged_in_the_order_of_time_and_only_when_it_has_many_files(
    tmp_path: Path,
) -> None:
    lake = small_files(tmp_path)
    assert counts(lake) == {DATES[0]: 14}
    assert compact(lake, settings=care(open_files=14), now=OPEN).done == []
    before = everything(lake)
    result = compact(lake, settings=care(open_files=10), now=OPEN)
    assert [one.why for one in result.done if one.table == "events"] == ["merge"]
    assert counts(lake) == {DATES[0]: 1}
    assert everything(lake) == before
    (path,) = lake.files("events")
    times = pq.ParquetFile(path).read(["event_time"])["event_time"].to_pylist()
    assert times == sorted(times)


def test_tables_without_dates_are_merged_and_the_ledger_still_knows_all(
    tmp_path: Path,
) -> None:
    lake = small_files(tmp_path)
    assert counts(lake, "log_files") == {"None": 14}
    compact(lake, settings=care(open_files=10), now=OPEN)
    assert counts(lake, "log_files") == {"None": 1}
    again = run(logs(), lake.uri)
    assert (again.objects_skipped, again.records_read) == (14, 0)


def test_late_rows_are_merged_among_themselves_until_they_are_many(tmp_path: Path) -> None:
    lake = small_files(tmp_path)
    assert compact(lake, settings=care(), now=CLOSED).rows == 84
    numbers = iter(range(50_000, 60_000))

    def late(files: int) -> list[str]:
        for number in islice(numbers, files):
            write(tmp_path / "late" / f"{number}.json.gz", [record(number)])
        run(tmp_path / "late", lake.uri, plan_objects=1)
        result = compact(lake, settings=care(late_files=3), now=CLOSED, tables=["events"])
        return [one.why for one in result.done]

    assert late(3) == []
    assert late(1) == ["late"]
    assert counts(lake) == {DATES[0]: 2}
    assert late(2) == []
    assert late(3) == ["close"]
    assert counts(lake) == {DATES[0]: 1}


def test_undated_rows_are_compacted_too(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / "logs" / f"{number}.json.gz", [record(number, eventTime="never")])
    run(tmp_path / "logs", tmp_path / "lake", plan_objects=1)
    lake = Lake.open(tmp_path / "lake")
    before = everything(lake)
    compact(lake, settings=care(), now=CLOSED)
    assert counts(lake) == {"1970-01-01": 1}
    assert everything(lake) == before


def test_little_memory_gives_the_same_files_content(tmp_path: Path) -> None:
    lake = small_files(tmp_path, files=10, per_file=200)
    before = everything(lake)
    seen = maintenance.snapshot(lake, "events")
    (task,) = candidates.tasks(seen, CLOSED, Care())
    spill = tmp_path / "spill"
    spill.mkdir()
    work = part(task, lake.store, Care(spill=str(spill)), 1) | {"memory_bytes": 100_000}
    made = compact_part(work)
    assert maintenance.replace(lake, seen, made["paths"], made["adds"], why="compact")
    assert everything(lake) == before
    assert list(spill.iterdir()) == []


def test_files_have_about_the_size_that_is_set(tmp_path: Path) -> None:
    lake = small_files(tmp_path, files=10, per_file=200)
    size = sum(file.size_bytes for file in maintenance.snapshot(lake, "events").files)
    compact(lake, settings=care(file_bytes=size // 4), now=CLOSED)
    files = maintenance.snapshot(lake, "events").files
    assert len(files) == 4
    assert max(file.rows for file in files) - min(file.rows for file in files) <= 4


def test_the_work_of_a_part_can_be_done_in_any_process(lake: Lake) -> None:
    before = everything(lake)
    executor = FreshProcesses()
    compact(lake, settings=care(), now=CLOSED, tables=["events"], executor=executor)
    assert [name for name, _ in executor.parts] == ["compact_part"] * 2
    assert everything(lake) == before


def test_a_dry_run_tells_the_work_and_does_nothing(lake: Lake) -> None:
    files = counts(lake)
    result = compact(lake, settings=care(), now=CLOSED, dry_run=True, tables=["events"])
    assert (result.planned, [one.files_after for one in result.done]) == (2, [0, 0])
    assert counts(lake) == files
    assert maintenance.remembered(lake, "compact") is None


def test_a_file_that_lost_rows_is_said_and_nothing_changes(lake: Lake) -> None:
    path = lake.files("events")[0]
    rows = pq.ParquetFile(path).read()
    pq.write_table(rows.slice(0, len(rows) - 1), path)
    files = counts(lake)
    with pytest.raises(LakeError, match="table's log says"):
        compact(lake, settings=care(), now=CLOSED)
    assert counts(lake)[DATES[0]] == files[DATES[0]]


# -- beside others


def tasks_of(lake: Lake) -> list[candidates.Task]:
    return list(candidates.tasks(maintenance.snapshot(lake, "events"), CLOSED, Care()))


def test_of_two_compactions_from_stale_handles_one_counts(lake: Lake) -> None:
    before = everything(lake)
    one, other = Lake.open(lake.uri), Lake.open(lake.uri)
    seen = [maintenance.snapshot(here, "events") for here in (one, other)]
    made = [
        compact_part(part(tasks_of(here)[0], here.store, Care(), 10**9)) for here in (one, other)
    ]
    won = [
        maintenance.replace(here, known, work["paths"], work["adds"], why="compact")
        for here, known, work in zip((one, other), seen, made, strict=True)
    ]
    assert won == [True, False]
    assert everything(lake) == before


def test_a_compaction_and_an_expiry_from_stale_handles_do_not_both_count(lake: Lake) -> None:
    before = everything(lake)
    one, other = Lake.open(lake.uri), Lake.open(lake.uri)
    seen = [maintenance.snapshot(here, "events") for here in (one, other)]
    work = compact_part(part(tasks_of(one)[0], one.store, Care(), 10**9))
    assert maintenance.replace(one, seen[0], work["paths"], work["adds"], why="compact")
    assert not maintenance.replace(other, seen[1], work["paths"], [], why="expire", loses_rows=True)
    assert everything(lake) == before


def test_an_expiry_before_a_compaction_is_not_undone_by_it(lake: Lake) -> None:
    work = compact_part(part(tasks_of(lake)[0], lake.store, Care(), 10**9))
    stale = maintenance.snapshot(lake, "events")
    expire(lake, before=dt.date(2026, 3, 2))
    assert not maintenance.replace(lake, stale, work["paths"], work["adds"], why="compact")
    assert set(counts(lake)) == {DATES[1]}


def test_appends_go_on_beside_a_compaction_and_do_not_undo_it(lake: Lake, tmp_path: Path) -> None:
    seen = maintenance.snapshot(lake, "events")
    work = compact_part(part(tasks_of(lake)[0], lake.store, Care(), 10**9))
    write(tmp_path / "more" / "a.json.gz", [record(200_000)])
    run(tmp_path / "more", lake.uri)
    before = everything(lake)
    assert maintenance.replace(lake, seen, work["paths"], work["adds"], why="compact")
    assert everything(lake) == before


def test_an_ingest_from_a_stale_handle_commits_after_a_compaction(lake: Lake) -> None:
    stale = Lake.open(lake.uri)
    stale.table("events")
    compact(lake, settings=care(), now=CLOSED)
    rows = sum(contents(lake.uri, ["events"])["events"].values())
    plan = lake.ingest_version("events") + 1
    for name in ("log_files", "quarantine", "aws_insights", "aggregated_events"):
        stale.commit_plan(name, plan, [])
    assert stale.commit_plan("events", plan, [])
    assert lake.ingest_version("events") == plan
    assert sum(contents(lake.uri, ["events"])["events"].values()) == rows


def test_a_duplicate_of_a_compacted_row_is_still_known(lake: Lake, tmp_path: Path) -> None:
    compact(lake, settings=care(), now=CLOSED)
    write(tmp_path / "again" / "a.json.gz", [record(0), record(8_000), record(200_000)])
    result = run(tmp_path / "again", lake.uri)
    assert (result.records_written, result.records_duplicate) == (1, 2)


def test_transactions_outlive_many_commits_and_checkpoints(lake: Lake) -> None:
    compact(lake, settings=care(), now=CLOSED, tables=["events"])
    version = maintenance.snapshot(lake, "events").maintenance
    assert version == 2
    plan = lake.ingest_version("events")
    for number in range(plan + 1, plan + 45):
        lake.commit_plan("events", number, [])
    seen = maintenance.snapshot(Lake.open(lake.uri), "events")
    assert (seen.maintenance, seen.ingested) == (version, plan + 44)


def test_a_reader_opened_before_a_compaction_goes_on_reading(lake: Lake) -> None:
    with lake.engine() as engine:
        rows = engine.sql("select count(*) as n from events").to_pylist()
        compact(lake, settings=care(), now=CLOSED)
        assert engine.sql("select count(*) as n from events").to_pylist() == rows
        found = engine.sql("select * from events").num_rows
    assert found == rows[0]["n"]


def test_reading_while_compacting_never_sees_other_rows(lake: Lake) -> None:
    expected = sum(contents(lake.uri, ["events"])["events"].values())
    seen: list[int] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            with Lake.open(lake.uri).engine() as engine:
                seen.append(engine.sql("select * from lake.events").num_rows)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(4):
        rewrite = care(sort=["event_id"] if number % 2 else ["event_time"])
        compact(lake, settings=rewrite, now=CLOSED, rewrite=True)
    ended.set()
    thread.join()
    assert set(seen) == {expected}


# -- in other processes, and killed

SCRIPT = """
import datetime as dt, sys
from ctanalytics.app.lake.compact import compact
from ctanalytics.settings import Care, Settings
print("ready", flush=True)
sys.stdin.readline()
care = Care(group_rows=50)
result = compact(
    sys.argv[1],
    settings=Settings(care=care),
    now=dt.datetime.fromisoformat(sys.argv[2]),
    rewrite=len(sys.argv) > 3,
)
print(len(result.done), result.overtaken, flush=True)
"""


def compacting(lake: str | Path, *more: str) -> subprocess.Popen[str]:
    """A compaction in another process, ready to begin when a line comes."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(lake), CLOSED.isoformat(), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_compactions_in_two_processes_leave_every_row_once(lake: Lake) -> None:
    before = everything(lake)
    processes = [compacting(lake.uri) for _ in range(2)]
    for process in processes:
        go(process)
    for process in processes:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    assert everything(lake) == before
    assert counts(lake) == dict.fromkeys(DATES, 1)


def test_an_ingest_in_another_process_and_a_compaction_lose_and_double_nothing(
    tmp_path: Path,
) -> None:
    corpus(tmp_path / "logs", files=20, per_file=6, apart=2_400)
    run(tmp_path / "logs", tmp_path / "undisturbed", plan_objects=1)
    ingesting = start(tmp_path / "logs", tmp_path / "lake", plan_objects=1)
    until = time.monotonic() + 30
    while not (tmp_path / "lake/lake.json").exists() and time.monotonic() < until:
        time.sleep(0.01)
    lake = Lake.open(tmp_path / "lake")
    compactions = 0
    while ingesting.poll() is None:
        compact(lake, settings=care(late_files=2), now=CLOSED)
        compactions += 1
    _, error = ingesting.communicate()
    assert ingesting.returncode == 0, error
    compact(lake, settings=care(), now=CLOSED)
    assert contents(lake.uri) == contents(tmp_path / "undisturbed")
    assert compactions > 1


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_and_run_again_every_row_is_there_once(
    seed: int, tmp_path: Path
) -> None:
    lake = small_files(tmp_path, files=10, per_file=200)
    before = everything(lake)
    rng = random.Random(seed)
    for _ in range(3):
        process = compacting(lake.uri, "rewrite")
        go(process)
        time.sleep(rng.uniform(0, 0.25))
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.communicate()
        assert everything(lake) == before
    result = compact(lake, settings=care(), now=CLOSED, rewrite=True)
    assert result.complete
    assert everything(lake) == before
    assert list(lake.store.list("staging/")) == []


STEPS = {
    "the-lease-is-held": "leases/maintenance.json",
    "a-file-is-begun": "tables/events/event_date=*/.tmp-*",
    "a-file-is-written": "tables/events/event_date=*/closed-*",
    "a-date-is-committed": "tables/events/_delta_log/*11.json",
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_and_run_again_every_row_is_there_once(step: str, tmp_path: Path) -> None:
    lake = small_files(tmp_path, files=10, per_file=200)
    assert maintenance.snapshot(lake, "events").version == 10
    before = everything(lake)
    process = compacting(lake.uri)
    go(process)
    until = time.monotonic() + 30
    while not list(Path(lake.uri).glob(STEPS[step])) and time.monotonic() < until:
        assert process.poll() is None or list(Path(lake.uri).glob(STEPS[step]))
    process.kill()
    process.communicate()
    assert everything(lake) == before
    assert compact(lake, settings=care(), now=CLOSED).complete
    assert everything(lake) == before
    assert set(counts(lake).values()) == {1}
    assert START < CLOSED
