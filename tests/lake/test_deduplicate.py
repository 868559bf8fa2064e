"""Each event once: what is new, what is known, and what contradicts."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.lake.deduplicate import Sorted, distinct, split
from ctanalytics.lake.layout import TABLES
from ctanalytics.lake.redact_compare import FORGOTTEN
from tests import builders

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
FILE_SCHEMA = TABLES["events"].file_schema()


def row(event_id: str | None, **columns: Any) -> dict[str, Any]:
    return builders.event(NOON, event_id=event_id, **columns)


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), FILE_SCHEMA)


def parted(
    new: Sequence[dict[str, Any]], *known: Sequence[dict[str, Any]], compare: bool = True
) -> Sorted:
    batch = table(*new)
    result = split(batch, [table(*rows) for rows in known], compare=compare)
    assert result.fresh.num_rows + result.conflicts.num_rows + result.duplicates == len(batch)
    assert result.fresh.schema == result.conflicts.schema == batch.schema
    return result


def counts(result: Sorted) -> tuple[int, int, int]:
    return result.fresh.num_rows, result.conflicts.num_rows, result.duplicates


def test_a_copy_within_a_batch_is_a_duplicate_and_the_first_stays() -> None:
    result = parted([row("a", source_row=1), row("b"), row("a", source_row=2, source_object="x")])
    assert counts(result) == (2, 0, 1)
    assert result.fresh["source_row"].to_pylist() == [1, 0]


def test_a_copy_of_what_the_lake_has_is_a_duplicate() -> None:
    result = parted([row("a"), row("b"), row("c")], [row("b", plan_id=9), row("x")], [row("c")])
    assert counts(result) == (1, 0, 2)
    assert result.fresh["event_id"].to_pylist() == ["a"]


def test_an_empty_batch_and_an_empty_lake_are_no_fault() -> None:
    assert counts(parted([])) == (0, 0, 0)
    assert counts(parted([], [row("a")])) == (0, 0, 0)
    assert counts(parted([row("a")], [])) == (1, 0, 0)


@pytest.mark.parametrize("known", [[], [row("a")]], ids=["within-a-batch", "against-the-lake"])
def test_other_content_under_a_known_key_is_a_conflict_and_no_loss(known: list[Any]) -> None:
    first = [] if known else [row("a")]
    later = row("a", event_name="RunInstances", source_row=7)
    result = parted([*first, later], known)
    assert counts(result) == (len(first), 1, 0)
    assert result.conflicts["source_row"].to_pylist() == [7]


@pytest.mark.parametrize(
    "column", ["user_agent", "error_code", "request_parameters", "unknown_fields", "read_only"]
)
def test_a_difference_in_any_column_is_a_conflict(column: str) -> None:
    other: Any = True if column == "read_only" else '{"a":1}'
    one = row("a", read_only=False)
    assert counts(parted([one | {column: other}], [one])) == (0, 1, 0)
    # Null is not the same as a value, in either direction.
    assert counts(parted([one | {column: None}], [one | {column: other}])) == (0, 1, 0)


def test_where_a_copy_came_from_is_no_difference() -> None:
    other = row("a", source_object="other", source_row=99, plan_id=99, event_time_status="ok")
    assert counts(parted([other], [row("a")])) == (0, 0, 1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1,"b":[1,2]}', '{ "a": 1,\n "b": [1, 2] }', True),
        ('{"a":"x y"}', '{"a": "x y"}', True),
        ('{"a":"x y"}', '{"a":"x  y"}', False),
        ('{"a":1,"b":2}', '{"b":2,"a":1}', False),
        ('{"a":1}', '{"a":1.0}', False),
        ('{"a":1}', None, False),
        ("not json", "not  json", False),
    ],
)
def test_white_space_between_the_parts_of_json_is_no_difference(
    one: str, other: str | None, same: bool
) -> None:
    result = parted([row("a", request_parameters=other)], [row("a", request_parameters=one)])
    assert counts(result) == ((0, 0, 1) if same else (0, 1, 0))


def test_white_space_in_a_column_that_is_no_json_is_a_difference() -> None:
    assert counts(parted([row("a", user_agent="{ }")], [row("a", user_agent="{}")])) == (0, 1, 0)


def test_one_id_in_two_accounts_is_two_events() -> None:
    rows = [row("a", account_id="111122223333"), row("a", account_id="444455556666")]
    assert counts(parted([*rows, row("a", account_id=None)])) == (3, 0, 0)


def test_rows_without_an_account_are_matched_with_each_other() -> None:
    one = row("a", account_id=None)
    assert counts(parted([one, one], [one])) == (0, 0, 2)


@pytest.mark.parametrize("missing", [None, ""])
def test_rows_without_an_id_are_known_by_the_hash_of_their_record(missing: str | None) -> None:
    one, two = (row(missing, record_sha256=digest * 64) for digest in "12")
    assert counts(parted([one, two, one])) == (2, 0, 1)
    assert counts(parted([one, two], [two])) == (1, 0, 1)


def test_an_id_that_equals_a_hash_is_matched_with_it_only_in_name() -> None:
    result = parted([row("1" * 64)], [row(None, record_sha256="1" * 64)])
    assert result.duplicates == 0


def test_insights_without_an_id_are_known_by_their_text() -> None:
    columns = TABLES["aws_insights"].file_schema()

    def insights(*texts: str) -> pa.Table:
        return pa.Table.from_pylist([{"record": text} for text in texts], columns)

    result = split(insights("{1}", "{2}", "{1}"), [insights("{2}")], compare=False)
    assert result.fresh["record"].to_pylist() == ["{1}"]
    assert result.duplicates == 2


def test_copies_are_not_compared_where_nobody_asked() -> None:
    later = row("a", event_name="RunInstances")
    assert counts(
        parted([row("a"), later, row("b", event_name="x")], [row("b")], compare=False)
    ) == (
        1,
        0,
        2,
    )


def test_the_lakes_row_decides_what_a_conflict_is_not_an_earlier_copy_in_the_batch() -> None:
    one, other = row("a"), row("a", event_name="RunInstances", source_row=5)
    result = parted([other, one], [one])
    assert counts(result) == (0, 1, 1)
    assert result.conflicts["source_row"].to_pylist() == [5]


def test_a_conflict_of_known_content_is_not_kept_again() -> None:
    versions = [row("a", event_name=name) for name in ("One", "Two", "Three")]
    spaced = row("b", request_parameters='{"a": 1}')
    batch = table(*versions, versions[1] | {"source_row": 9}, spaced)
    known = [table(versions[2]), table(versions[0], row("b", request_parameters='{"a":1}'))]
    assert distinct(batch, [])[0]["event_name"].to_pylist()[:3] == ["One", "Two", "Three"]
    assert distinct(batch, [])[0].num_rows == 4
    assert distinct(batch, known)[0]["event_name"].to_pylist() == ["Two"]
    assert distinct(table(), known)[0].num_rows == 0


def test_a_conflict_that_is_left_out_is_counted_with_the_object_that_had_it() -> None:
    def version(name: str, object_: str, event_id: str = "a") -> dict[str, Any]:
        return row(event_id, event_name=name, source_object=object_, management_event=True)

    batch = table(version("One", "new"), version("One", "newer"), version("Two", "new"))
    known = [table(version("Two", "old"), version("Three", "old"))]
    left, repeats = distinct(batch, known)
    assert left["event_name"].to_pylist() == ["One"]
    assert repeats.rows() == [("new", "old", 1, 1), ("newer", "new", 1, 1)]
    # What was forgotten can't be compared: its key alone tells a copy.
    hidden = [table(version("Hidden", "old") | {"masked_paths": FORGOTTEN})]
    left, repeats = distinct(table(version("One", "new"), version("One", "new", "b")), hidden)
    assert left["event_id"].to_pylist() == ["b"]
    assert repeats.rows() == [("new", "old", 1, 1)]


keys = st.tuples(
    st.sampled_from(["a", "b", "c", "d", None]),
    st.sampled_from(["111122223333", "444455556666", None]),
    st.sampled_from(["DescribeInstances", "RunInstances"]),
)


def made(found: Sequence[tuple[str | None, str | None, str]]) -> list[dict[str, Any]]:
    return [
        row(
            event_id,
            account_id=account,
            recipient_account_id=account,
            event_name=name,
            record_sha256=None if event_id else name[0] * 64,
            source_row=place,
        )
        for place, (event_id, account, name) in enumerate(found)
    ]


@settings(max_examples=60)
@given(st.lists(keys, max_size=14), st.lists(st.lists(keys, max_size=4), max_size=3))
def test_a_batch_is_taken_apart_wholly_and_a_second_time_gives_nothing(
    new: list[Any], known: list[list[Any]]
) -> None:
    batch, lake = made(new), [made(rows) for rows in known]
    result = parted(batch, *lake)

    def key(found: dict[str, Any]) -> Any:
        return (found["account_id"], found["event_id"] or found["record_sha256"])

    fresh = result.fresh.to_pylist()
    assert {key(found) for found in fresh} == {key(found) for found in batch} - {
        key(found) for rows in lake for found in rows
    }
    assert max(Counter(map(key, fresh)).values(), default=1) == 1
    first = {key(found): found["source_row"] for found in reversed(batch)}
    assert [found["source_row"] for found in fresh] == sorted(first[key(found)] for found in fresh)
    # What is new is known from now on, and no difference between copies was passed over.
    again = split(table(*batch), [*(table(*rows) for rows in lake), result.fresh], compare=True)
    assert again.fresh.num_rows == 0
    assert again.conflicts.num_rows >= result.conflicts.num_rows
    for found in result.conflicts.to_pylist():
        others = [one for rows in lake for one in rows] + fresh
        assert any(
            key(one) == key(found) and one["event_name"] != found["event_name"] for one in others
        )
