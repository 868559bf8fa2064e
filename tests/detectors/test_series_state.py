"""The state of series in a lake: made once, made again where its inputs changed, and no further."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctanalytics.detectors.base import Context, Window
from ctanalytics.detectors.calendars import Calendars
from ctanalytics.detectors.call_rate import call_rate
from ctanalytics.detectors.history import load
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.lake import maintenance
from ctanalytics.lake.derived import Derived
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import DERIVED, TABLES
from ctanalytics.settings import Calendar, Detect
from tests import lakes
from tests.detectors.organization import DAYS, START, background, calls, minute

LATE = START + dt.timedelta(days=20, hours=3)
WINDOW = Window(START + dt.timedelta(days=DAYS - 2), START + dt.timedelta(days=DAYS))


def fill(place: Path, *tables: pa.Table) -> Lake:
    """A lake with these events, one file a date."""
    lake = lakes.empty(place)
    lake.append("events", pa.concat_tables(tables))
    return lake


def context(lake: Lake, **settings: Any) -> Iterator[Context]:
    with lake.engine(threads=2) as engine:
        yield Context(
            engine,
            LocalExecutor(1),
            Detect(**settings),
            WINDOW.until,
            derived=Derived.open(lake),
        )


def run(
    lake: Lake, window: Window = WINDOW, **settings: Any
) -> tuple[set[tuple[str, str]], pa.Table]:
    """Judge writes, and keep the state; returns which (table, date) were made, and the anomalies."""
    for made in context(lake, **settings):
        result = call_rate(made, window)
        files = [part for part in result.state if "add" in part]
        assert made.derived.commit(files)
        return {(part["table"], part["date"]) for part in files}, result.anomalies
    raise AssertionError


def contents(lake: Lake) -> dict[tuple[str, str], bytes]:
    """The bytes of all state files, by table and the name's part that does not change."""
    return {
        (
            table,
            path.rpartition("/")[2].rpartition("-")[0] + path.split("event_date=")[1][:10],
        ): Path(path).read_bytes()
        for table in DERIVED
        for path in lake.files(table)
    }


@pytest.fixture(scope="module")
def events() -> list[pa.Table]:
    burst = minute(DAYS - 1, 11) + pa.array(range(90)).to_numpy() // 10
    return [*background(series=12), calls(burst, "Call000")]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, events: list[pa.Table]) -> Lake:
    lake = fill(tmp_path_factory.mktemp("state") / "lake", *events)
    run(lake)
    return lake


def test_a_second_run_makes_nothing(lake: Lake) -> None:
    made, _ = run(lake)
    assert made == set()


def test_the_same_events_give_the_same_bytes(
    lake: Lake, events: list[pa.Table], tmp_path: Path
) -> None:
    again = fill(tmp_path / "lake", *events[::-1])
    run(again)
    ours, theirs = contents(lake), contents(again)
    # The inputs' hashes name files of events, which have names of their own in each lake.
    assert sorted(ours.values()) == sorted(theirs.values())


def test_state_gives_what_no_state_gives(lake: Lake) -> None:
    _, with_state = run(lake)
    with lake.engine(threads=1) as engine:
        alone = Context(engine, LocalExecutor(1), Detect(), WINDOW.until)
        without = call_rate(alone, WINDOW).anomalies
    assert with_state.num_rows > 0
    assert with_state.equals(without)


def test_state_holds_no_float() -> None:
    for table in ("series_minute", "series_day", "series_peak"):
        for column in TABLES[table].schema:
            kind = column.type.value_type if pa.types.is_list(column.type) else column.type
            assert not pa.types.is_floating(kind), (table, column.name)


def test_a_day_later_makes_one_day(events: list[pa.Table], tmp_path: Path) -> None:
    whole = pa.concat_tables(events)
    last = WINDOW.until - dt.timedelta(days=1)
    is_last = pa.compute.equal(whole["event_date"], last.date())
    lake = fill(tmp_path / "lake", whole.filter(pa.compute.invert(is_last)))
    run(lake, Window(last - dt.timedelta(days=1), last))
    lake.append("events", whole.filter(is_last))
    made, found = run(lake, Window(last, WINDOW.until))
    assert {date for _, date in made} == {last.date().isoformat()}
    assert found["event_name"].to_pylist() == ["Call000"]


def test_a_late_file_makes_its_day_and_those_that_depend_on_it(
    events: list[pa.Table], tmp_path: Path
) -> None:
    lake = fill(tmp_path / "lake", *events)
    run(lake)
    before = contents(lake)
    day = (LATE - START).days
    lake.append("events", calls([minute(day, 3)] * 40, "Call004", account_id="111122223333"))
    made, _ = run(lake)
    late = LATE.date().isoformat()
    assert {date for table, date in made if table in ("series_minute", "series_day")} == {late}
    peaks = sorted(date for table, date in made if table == "series_peak")
    assert peaks[0] == late
    assert len(peaks) == DAYS - day  # itself and all days after it that are within reach
    older = {name: data for name, data in before.items() if name[1][-10:] < late}
    assert older.items() <= contents(lake).items()
    # What was made anew equals what a lake has that never knew another order.
    fresh = fill(tmp_path / "fresh", *events, calls([minute(day, 3)] * 40, "Call004"))
    run(fresh)
    assert sorted(contents(lake).values()) == sorted(contents(fresh).values())


def test_compacting_events_counts_their_dates_again_and_changes_no_row(
    events: list[pa.Table], tmp_path: Path
) -> None:
    lake = fill(tmp_path / "lake", *events)
    run(lake)
    before = contents(lake)
    day = (START + dt.timedelta(days=DAYS - 1)).date()
    seen = maintenance.snapshot(lake, "events")
    (old,) = (file for file in seen.files if file.date == day)
    target = f"event_date={day}/merged-1-again.parquet"
    source = Path(lake.store.location(f"tables/events/{old.path}"))
    source.with_name("merged-1-again.parquet").write_bytes(source.read_bytes())
    add = {
        "path": target,
        "size": old.size_bytes,
        "partition": day.isoformat(),
        "stats": f'{{"numRecords": {old.rows}}}',
    }
    assert maintenance.replace(lake, seen, [old.path], [add], why="compact")
    made, _ = run(lake)
    assert made == {("series_minute", day.isoformat())}
    assert sorted(contents(lake).values()) == sorted(before.values())


def test_a_day_that_is_not_over_is_judged_and_not_kept(
    events: list[pa.Table], tmp_path: Path
) -> None:
    lake = fill(tmp_path / "lake", *events)
    noon = Window(WINDOW.since, WINDOW.until - dt.timedelta(hours=12))
    made, found = run(lake, noon)
    assert found["event_name"].to_pylist() == ["Call000"]
    assert (WINDOW.until - dt.timedelta(days=1)).date().isoformat() not in {d for _, d in made}


def test_a_commit_over_another_is_refused_and_leaves_the_table_whole(
    events: list[pa.Table], tmp_path: Path
) -> None:
    lake = fill(tmp_path / "lake", *events[:1])
    (one,), (other,) = list(context(lake)), list(context(lake))
    manifests = []
    for made in (one, other):
        with lake.engine() as engine:
            fresh = Context(engine, LocalExecutor(1), Detect(), WINDOW.until, derived=made.derived)
            load(fresh, WINDOW, "writes")
            manifests.append(made.derived.take())
    assert one.derived.commit(manifests[0])
    rows = {table: rows_of(lake, table) for table in DERIVED}
    assert not other.derived.commit(manifests[1])
    assert {table: rows_of(lake, table) for table in DERIVED} == rows


def rows_of(lake: Lake, table: str) -> int:
    return sum(pq.read_metadata(path).num_rows for path in lake.files(table))


def test_another_calendar_makes_the_peaks_again(lake: Lake) -> None:
    for made in context(lake, calendars=[Calendar(account=["1111*"], weekend=["fri"])]):
        load(made, WINDOW, "writes")
        tables = {part["table"] for part in made.derived.take()}
    assert tables == {"series_peak"}
    assert Calendars().signature == ""
