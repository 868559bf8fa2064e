"""Which files are written anew: few enough files, and no row written again too often."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.lake.candidates import CLOSE, LATE, MERGE, Task, is_open, tasks
from ctanalytics.lake.maintenance import DataFile, Snapshot
from ctanalytics.settings import Care

DAY = dt.date(2026, 3, 1)
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
CLOSED = NOON + dt.timedelta(days=3)
CARE = Care()
_numbers = itertools.count()


def file(
    name: str = "plan", *, size: int = 50_000, rows: int = 100, date: dt.date | None = DAY
) -> DataFile:
    folder = f"event_date={date}/" if date else ""
    moment = NOON + dt.timedelta(minutes=next(_numbers))
    return DataFile(
        f"{folder}{name}-{next(_numbers):08d}.parquet", size, rows, date, moment, moment, moment
    )


def work(files: list[DataFile], now: dt.datetime, table: str = "events") -> list[Task]:
    return list(tasks(Snapshot(table, 1, 0, 0, tuple(files)), now, CARE))


def done(files: list[DataFile], task: Task) -> list[DataFile]:
    """The files after a task; its rows are one file."""
    made = file(task.prefix.rstrip("-"), size=task.size_bytes, rows=task.rows, date=task.date)
    return [one for one in files if one not in task.files] + [made]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(0, True), (24 + 47.9, True), (24 + 48, False), (24 + 400, False), (-100, True)],
)
def test_a_date_closes_two_days_after_its_end(hours: float, expected: bool) -> None:
    start = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert is_open(DAY, start + dt.timedelta(hours=hours), CARE) is expected


@pytest.mark.parametrize(
    ("files", "now", "expected"),
    [
        pytest.param([], NOON, [], id="nothing"),
        pytest.param([file() for _ in range(32)], NOON, [], id="open-few"),
        pytest.param([file() for _ in range(33)], NOON, [MERGE], id="open-many"),
        pytest.param([file(size=2**30) for _ in range(99)], NOON, [], id="open-large"),
        pytest.param([file()], CLOSED, [CLOSE], id="closed-one"),
        pytest.param([file("closed")], CLOSED, [], id="closed-and-sorted"),
        pytest.param([file("merged-2")], CLOSED, [CLOSE], id="closed-and-only-merged"),
        pytest.param(
            [file("closed", rows=10_000), *(file(rows=9) for _ in range(16))],
            CLOSED,
            [],
            id="few-late",
        ),
        pytest.param(
            [file("closed", rows=10_000), *(file(rows=9) for _ in range(17))],
            CLOSED,
            [LATE],
            id="many-late",
        ),
        pytest.param([file("closed", rows=1_000), file(rows=101)], CLOSED, [CLOSE], id="much-late"),
        pytest.param([file("closed", rows=1_000), file(rows=100)], CLOSED, [], id="a-tenth-late"),
    ],
)
def test_a_date_calls_for(files: list[DataFile], now: dt.datetime, expected: list[str]) -> None:
    assert [task.why for task in work(files, now)] == expected


def test_one_file_of_a_table_that_needs_no_order_is_left_as_it_is() -> None:
    assert work([file()], CLOSED, "aws_insights") == []
    assert [task.why for task in work([file(), file()], CLOSED, "aws_insights")] == [CLOSE]


def test_files_of_a_table_without_dates_are_merged_in_the_order_in_which_they_came() -> None:
    files = [file(date=None) for _ in range(33)]
    (task,) = work(files[::-1], NOON, "anomalies")
    assert (task.why, task.order, list(task.files)) == (MERGE, (), files)


def test_two_dates_are_two_pieces_of_work_and_the_older_comes_first() -> None:
    later = DAY + dt.timedelta(days=1)
    found = work([file(date=later), file()], CLOSED + dt.timedelta(days=9))
    assert [task.date for task in found] == [DAY, later]


@pytest.mark.parametrize(("ingests", "levels"), [(288, 1.0), (1_440, 2.0), (8_640, 3.0)])
def test_a_day_of_ingests_stays_below_forty_files_and_is_rewritten_seldom(
    ingests: int, levels: float
) -> None:
    files: list[DataFile] = []
    written = most = 0
    for _ in range(ingests):
        files.append(file(size=1_000, rows=10))
        for task in work(files, NOON):
            written += task.rows
            files = done(files, task)
        most = max(most, len(files))
    assert most <= 40
    assert sum(one.rows for one in files) == 10 * ingests
    assert written <= levels * 10 * ingests


def test_late_files_of_a_month_stay_few_and_are_rewritten_seldom() -> None:
    files = [file("closed", rows=1_000_000)]
    written = most = 0
    for _ in range(8_640):
        files.append(file(size=1_000, rows=10))
        for task in work(files, CLOSED):
            assert task.why == LATE
            written += task.rows
            files = done(files, task)
        most = max(most, len(files))
    assert most <= 18
    assert written <= 4 * 86_400


@settings(max_examples=100)
@given(
    names=st.lists(st.sampled_from(["plan", "merged-1", "merged-2", "closed"]), max_size=60),
    sizes=st.lists(st.integers(1, 2**28), min_size=60, max_size=60),
    is_closed=st.booleans(),
)
def test_work_ends(names: list[str], sizes: list[int], is_closed: bool) -> None:
    files = [file(name, size=size) for name, size in zip(names, sizes, strict=False)]
    rows = sum(one.rows for one in files)
    for _ in range(20):
        found = work(files, CLOSED if is_closed else NOON)
        if not found:
            break
        for task in found:
            assert len(set(task.files)) == len(task.files)
            files = done(files, task)
    assert work(files, CLOSED if is_closed else NOON) == []
    assert sum(one.rows for one in files) == rows
