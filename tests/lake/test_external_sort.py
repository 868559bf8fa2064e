"""Sorting more rows than memory holds gives what sorting them at once gives."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.lake.external_sort import sorted_rows

EPOCH = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
SCHEMA = pa.schema(
    [
        pa.field("who", pa.dictionary(pa.int32(), pa.string())),
        pa.field("at", pa.timestamp("us", "UTC")),
        pa.field("text", pa.string()),
        pa.field("many", pa.list_(pa.string())),
        pa.field("number", pa.int64()),
    ]
)
ORDER = ("who", "at")

ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["", "a", "B", "ä", "\U0001f600", "￿", "arn:x"]),
        st.none() | st.integers(-5, 5),
        st.none() | st.text(max_size=5),
    ),
    max_size=60,
)


def tables(rows: list[tuple[Any, Any, Any]], size: int) -> list[pa.Table]:
    made = [
        {
            "who": who,
            "at": None if at is None else EPOCH + dt.timedelta(seconds=at),
            "text": text,
            "many": None if text is None else [text, text],
            "number": number,
        }
        for number, (who, at, text) in enumerate(rows)
    ]
    return [
        pa.Table.from_pylist(made[start : start + size], SCHEMA)
        for start in range(0, len(made), size)
    ]


def expected(rows: list[pa.Table]) -> list[dict[str, Any]]:
    everything = [row for table in rows for row in table.to_pylist()]
    first = dt.datetime.min.replace(tzinfo=dt.UTC)
    return sorted(
        everything,
        key=lambda row: (
            row["who"] is not None,
            (row["who"] or "").encode(),
            row["at"] is not None,
            row["at"] or first,
            row["number"],
        ),
    )


@pytest.mark.parametrize("memory_bytes", [1, 3_000, 10**9])
@settings(max_examples=25)
@given(rows=ROWS, size=st.integers(1, 20))
def test_rows_come_sorted_and_none_is_lost(
    memory_bytes: int,
    rows: list[tuple[Any, Any, Any]],
    size: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    pieces = tables(rows, size)
    found = [
        row
        for piece in sorted_rows(pieces, ORDER, memory_bytes=memory_bytes, folder=folder)
        for row in piece.to_pylist()
    ]
    assert found == expected(pieces)


def test_without_an_order_rows_stay_as_they_come(tmp_path: Path) -> None:
    pieces = tables([(f"{n % 7}", -n, f"{n}") for n in range(500)], 20)
    for memory_bytes in (1, 10**9):
        found = pa.concat_tables(
            sorted_rows(pieces, (), memory_bytes=memory_bytes, folder=tmp_path)
        )
        assert found["number"].to_pylist() == list(range(500))


def test_more_runs_than_one_merge_takes_are_merged_in_steps(tmp_path: Path) -> None:
    pieces = tables([(f"{n * 7919 % 101}", n % 13, f"{n}") for n in range(1_000)], 10)
    found = pa.concat_tables(sorted_rows(pieces, ORDER, memory_bytes=1, folder=tmp_path))
    assert found.to_pylist() == expected(pieces)
    assert len(list(tmp_path.iterdir())) <= 32  # runs that were merged are gone


def test_one_key_that_all_rows_share_is_still_cut_into_pieces(tmp_path: Path) -> None:
    pieces = tables([("a", 0, "x" * 200)] * 20_000, 2_000)
    sizes = [
        len(piece) for piece in sorted_rows(pieces, ORDER, memory_bytes=200_000, folder=tmp_path)
    ]
    assert sum(sizes) == 20_000
    assert max(sizes) < 20_000
