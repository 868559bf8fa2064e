"""Staged rows become one file a date: sorted, each event once, with the statistics Delta wants."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctanalytics.lake import staging
from ctanalytics.lake.layout import TABLES, table_path
from ctanalytics.lake.merge import merge, shares, write
from ctanalytics.lake.store import Store, open_store
from ctanalytics.records import schema
from ctanalytics.settings import LakeAws
from tests import builders

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "lake"), LakeAws())


def row(event_id: str, *, seconds: float | None = 0, **columns: Any) -> dict[str, Any]:
    made = builders.event(NOON, event_id=event_id, **columns)
    if seconds is None:
        return made | {"event_time": None, "event_date": schema.UNDATED}
    moment = NOON + dt.timedelta(seconds=seconds)
    return made | {"event_time": moment, "event_date": columns.get("event_date", moment.date())}


def stage(store: Store, *rows: dict[str, Any], name: str = "a", table: str = "events") -> list[Any]:
    batch = pa.Table.from_pylist(list(rows), TABLES[table].schema)
    return staging.stage(store, 1, name, {table: batch})


def part(store: Store, staged: list[Any], **more: Any) -> dict[str, Any]:
    (date,) = {found["date"] for found in staged}
    (table,) = {found["table"] for found in staged}
    return {
        "store": store.spec(),
        "plan_id": 1,
        "table": table,
        "date": date,
        "staged": staged,
        "merge_bytes": 1 << 30,
        "share": (0, 1),
        "replaced": None,
        "existing": [],
        "conflicts": [],
    } | more


def read(store: Store, table: str, add: dict[str, Any]) -> list[dict[str, Any]]:
    data = store.read(f"{table_path(table)}/{add['path']}")
    rows: list[dict[str, Any]] = pq.ParquetFile(pa.BufferReader(data)).read().to_pylist()
    return rows


def known(add: dict[str, Any]) -> dict[str, Any]:
    """A file as the next merge is told of it."""
    stats = json.loads(add["stats"])
    return {
        "path": add["path"],
        "since": stats.get("minValues", {}).get("event_time"),
        "until": stats.get("maxValues", {}).get("event_time"),
    }


def test_rows_are_staged_apart_by_date(store: Store) -> None:
    day = 86_400.0
    rows = [
        row("c", seconds=day),
        row("a"),
        row("u", seconds=None),
        row("b", seconds=1),
        row("d", seconds=day),
    ]
    found = stage(store, *rows)
    assert [(one["date"], one["rows"]) for one in found] == [
        ("1970-01-01", 1),
        ("2026-03-01", 2),
        ("2026-03-02", 2),
    ]
    back = staging.read(store, [found[2]["path"]], TABLES["events"].file_schema())
    assert back["event_id"].to_pylist() == ["c", "d"]
    assert "event_date" not in back.column_names


def test_nothing_is_staged_for_no_rows(store: Store) -> None:
    assert stage(store) == []
    assert staging.read(store, [], TABLES["events"].file_schema()).num_rows == 0


def test_a_file_is_sorted_by_time_and_equal_times_keep_their_order(store: Store) -> None:
    one = stage(store, row("c", seconds=2), row("a", seconds=1), name="1")
    two = stage(store, row("d", seconds=2), row("b", seconds=1), row("z", seconds=0.5), name="2")
    result = merge(part(store, one + two))
    (add,) = result["adds"]["events"]
    rows = read(store, "events", add)
    assert [found["event_id"] for found in rows] == ["z", "a", "b", "c", "d"]
    assert (add["partition"], result["rows"], result["duplicates"]) == (
        "2026-03-01",
        {"events": 5},
        0,
    )
    stats = json.loads(add["stats"])
    assert stats == {
        "numRecords": 5,
        "minValues": {"event_time": "2026-03-01T12:00:00.500000Z"},
        "maxValues": {"event_time": "2026-03-01T12:00:02.000000Z"},
        "nullCount": {"event_time": 0},
    }


def test_what_the_lake_has_is_left_out_and_no_empty_file_is_written(store: Store) -> None:
    first = merge(part(store, stage(store, row("a"), row("b"))))
    existing = [known(add) for add in first["adds"]["events"]]
    again = merge(part(store, stage(store, row("b"), row("a"), name="2"), existing=existing))
    assert (again["adds"], again["duplicates"]) == ({}, 2)


def test_a_conflict_goes_to_its_own_table_once(store: Store) -> None:
    first = merge(part(store, stage(store, row("a"))))
    existing = [known(add) for add in first["adds"]["events"]]
    odd = [row("a", event_name="RunInstances"), row("a", event_name="RunInstances"), row("b")]
    second = merge(part(store, stage(store, *odd, name="2"), existing=existing))
    assert second["rows"] == {"events": 1, "event_conflicts": 1}
    assert second["duplicates"] == 1
    (conflict,) = second["adds"]["event_conflicts"]
    assert read(store, "event_conflicts", conflict)[0]["event_name"] == "RunInstances"
    third = merge(
        part(
            store,
            stage(store, odd[0], name="3"),
            existing=existing,
            conflicts=[known(conflict)],
        )
    )
    assert (third["adds"], third["duplicates"]) == ({}, 1)


@pytest.mark.parametrize("apart", [0.0, 0.5, 1.0])
def test_a_copy_is_found_at_the_edge_of_a_files_span(store: Store, apart: float) -> None:
    first = merge(part(store, stage(store, row("a"))))
    existing = [known(add) for add in first["adds"]["events"]]
    later = stage(store, row("a", seconds=apart), name="2")
    result = merge(part(store, later, existing=existing))
    assert result["rows"].get("events", 0) == 0


def test_a_file_of_another_span_is_not_opened(store: Store) -> None:
    elsewhere = [{"path": "event_date=2026-03-01/missing.parquet", **_span(NOON, 3_600, 7_200)}]
    result = merge(part(store, stage(store, row("a")), existing=elsewhere))
    assert result["rows"] == {"events": 1}


def _span(start: dt.datetime, since: int, until: int) -> dict[str, str]:
    moments = {"since": since, "until": until}
    return {name: (start + dt.timedelta(seconds=n)).isoformat() for name, n in moments.items()}


def test_rows_without_a_time_are_matched_with_every_file_of_their_date(store: Store) -> None:
    far = {"seconds": 10**9, "event_date": schema.UNDATED, "event_time_status": "future"}
    first = merge(part(store, stage(store, row("x", seconds=None), row("f", **far))))
    existing = [known(add) for add in first["adds"]["events"]]
    assert existing[0]["since"]
    farther = far | {"seconds": 2 * 10**9}
    again = stage(store, row("x", seconds=None), row("g", **farther), name="2")
    result = merge(part(store, again, existing=existing))
    assert (result["rows"], result["duplicates"]) == ({"events": 1}, 1)


@pytest.mark.parametrize("year", [1, 987, 9999])
def test_a_time_at_the_calendars_end_is_written_matched_and_has_statistics(
    store: Store, year: int
) -> None:
    moment = dt.datetime(year, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    if year == 1:
        moment = moment.replace(month=1, day=1, hour=0, minute=0, second=0)
    odd = row("a") | {"event_time": moment, "event_date": schema.UNDATED}
    first = merge(part(store, stage(store, odd)))
    (add,) = first["adds"]["events"]
    assert dt.datetime.fromisoformat(json.loads(add["stats"])["minValues"]["event_time"]) == moment
    again = merge(part(store, stage(store, odd, name="2"), existing=[known(add)]))
    assert (again["adds"], again["duplicates"]) == ({}, 1)


def test_tables_without_a_date_are_written_whole(store: Store) -> None:
    columns = {"bucket": "b", "key": "k", "reason": "not_json", "plan_id": 1}
    staged = stage(store, columns, columns, table="quarantine")
    result = merge(part(store, staged))
    (add,) = result["adds"]["quarantine"]
    assert (add["partition"], result["rows"], result["duplicates"]) == (None, {"quarantine": 2}, 0)


def test_a_merge_that_runs_twice_gives_two_files_of_the_same_rows(store: Store) -> None:
    task = part(store, stage(store, row("a"), row("b", seconds=1)))
    one, two = (merge(json.loads(json.dumps(task)))["adds"]["events"][0] for _ in range(2))
    assert one["path"] != two["path"]
    assert read(store, "events", one) == read(store, "events", two)


def test_a_parquet_file_has_the_tables_columns_and_no_more(store: Store) -> None:
    rows = pa.Table.from_pylist([row("a")], TABLES["events"].schema).drop_columns(["event_date"])
    add = write(store, "events", rows, "2026-03-01", 7)
    data = store.read(f"{table_path('events')}/{add['path']}")
    found = pq.ParquetFile(pa.BufferReader(data))
    assert found.schema_arrow.names == TABLES["events"].file_schema().names
    assert add["path"].startswith("event_date=2026-03-01/plan-000000000007-")
    assert add["size"] == len(data)


def test_rows_that_exceed_the_memory_become_several_files_and_none_comes_twice(
    store: Store,
) -> None:
    staged = [
        *stage(store, row("a"), row("b"), name="1"),
        *stage(store, row("b"), row("c"), name="2"),
        *stage(store, row("c"), row("c", error_code="Denied"), name="3"),
    ]
    result = merge(part(store, staged, merge_bytes=1))
    found = [read(store, "events", add) for add in result["adds"]["events"]]
    assert [[one["event_id"] for one in rows] for rows in found] == [["a", "b"], ["c"]]
    assert result["rows"] == {"events": 3, "event_conflicts": 1}
    assert result["duplicates"] == 2


def test_shares_of_a_date_make_together_what_one_merge_makes(store: Store) -> None:
    count, draw = 4, random.Random(4)
    ids = [f"{draw.getrandbits(32):08x}" for _ in range(60)] + ["", "Zed", "ABC"]
    staged = []
    for number in range(4):
        rows = [
            row(one, seconds=draw.randrange(5), record_sha256=f"{draw.randrange(4):064x}")
            for one in draw.choices(ids, k=50)
        ]
        staged += stage(store, *rows, name=str(number))
    (older,) = merge(part(store, stage(store, *map(row, ids[:20]), name="old")))["adds"]["events"]
    whole = merge(part(store, staged, existing=[known(older)]))
    shared = [
        merge(part(store, staged, existing=[known(older)], share=(number, count)))
        for number in range(count)
    ]
    assert whole["duplicates"] == sum(each["duplicates"] for each in shared) > 0
    for table in ("events", "event_conflicts"):
        files = [
            [add for each in found for add in each["adds"].get(table, [])]
            for found in ([whole], shared)
        ]
        one, other = (
            Counter(str(each) for add in adds for each in read(store, table, add)) for adds in files
        )
        assert one == other
        assert one.total() == sum(each["rows"].get(table, 0) for each in shared) > 0


@pytest.mark.parametrize(
    ("size", "count"), [(0, 1), (100, 1), (101, 2), (201, 4), (400, 4), (900, 16), (10_000, 16)]
)
def test_a_date_is_cut_by_what_one_merge_may_hold(size: int, count: int) -> None:
    assert shares("events", size, 100) == count
    assert shares("aws_insights", size, 100) == 1


def test_long_rows_make_short_row_groups(store: Store) -> None:
    rows = [row(str(place), request_parameters="x" * 10_000) for place in range(20)]
    result = merge(part(store, stage(store, *rows), merge_bytes=50_000))
    (add,) = result["adds"]["events"]
    data = store.read(f"{table_path('events')}/{add['path']}")
    assert pq.ParquetFile(pa.BufferReader(data)).num_row_groups > 3
