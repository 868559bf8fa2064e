from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.detectors.numbering import Numbering

COLUMNS = ("one", "two", "three")

texts = st.one_of(st.none(), st.sampled_from(["", "a", "B", "é", "\U0001f600", "\uffff"]))
rows = st.lists(st.tuples(texts, texts, texts), max_size=12)


def table(found: list[tuple[str | None, ...]], *, encoded: bool = False) -> pa.Table:
    columns = [pa.array([row[place] for row in found], pa.string()) for place in range(3)]
    return pa.table(
        dict(zip(COLUMNS, (c.dictionary_encode() if encoded else c for c in columns), strict=True))
    )


def order(row: tuple[str | None, ...]) -> list[tuple[bool, bytes]]:
    return [(value is not None, (value or "").encode()) for value in row]


@pytest.mark.parametrize("most", [2**62, 8], ids=["fits", "is-ranked"])
@given(first=rows, second=rows)
@settings(max_examples=60, deadline=None)
def test_rows_are_numbered_in_their_order_and_found_again(
    most: int, first: list[tuple[str | None, ...]], second: list[tuple[str | None, ...]]
) -> None:
    tables = [table(first), table(second, encoded=True)]
    found = Numbering.of(tables, COLUMNS, most=most)
    wanted = sorted({*first, *second}, key=order)
    assert [tuple(row.values()) for row in found.table().to_pylist()] == wanted
    assert found.find(tables[1]).tolist() == [wanted.index(row) for row in second]
    assert found.find(table(first, encoded=True)).tolist() == [wanted.index(row) for row in first]


def test_a_row_of_no_table_is_refused() -> None:
    found = Numbering.of([table([("a", "b", None)])], COLUMNS)
    for odd in [("a", "b", "c"), ("a", None, None), (None, "b", None)]:
        with pytest.raises(KeyError):
            found.find(table([odd]))
