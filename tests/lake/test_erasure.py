"""Rows without the subject of an erasure request: nothing of it is left, all else stays."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.errors import UsageError
from ctanalytics.lake.compacted import fitted, memory_schema
from ctanalytics.lake.decode import decode
from ctanalytics.lake.erasure import Eraser, Subject
from ctanalytics.records import schema
from tests.logs import START, document, record

ALICE = {
    "type": "IAMUser",
    "principalId": "AIDACKCEVSQ6C2EXAMPLE",
    "arn": "arn:aws:iam::111122223333:user/team/Alice.Meyer",
    "accountId": "111122223333",
    "userName": "Alice.Meyer",
}


def table(*records: dict[str, Any], lean: bool = False) -> pa.Table:
    rows = decode(document(records)).events
    # As compaction reads them, texts that repeat are dictionaries.
    return fitted(rows.drop_columns(["event_date"]), memory_schema("events")) if lean else rows


def eraser(action: str = "mask", kind: str = "user_name", value: str = "alice.meyer", **more: Any) -> Eraser:  # fmt: skip
    return Eraser(Subject(kind, value, **more), action)


RECORDS = [
    record(0, userIdentity=ALICE),
    record(1, requestParameters={"userName": "Alice.Meyer", "tags": ["x", {"by": "alice.meyer!"}]}),
    record(2, requestParameters={"userName": "Alice.Meyers"}),
    record(3, resources=[{"ARN": "arn:aws:iam::111122223333:user/Alice.Meyer"}]),
    record(4),
]


@pytest.mark.parametrize("lean", [False, True])
def test_covering_hides_the_value_in_every_column_and_leaves_the_other_rows(lean: bool) -> None:
    rows = table(*RECORDS, lean=lean)
    made = eraser().erase(rows)
    assert made.schema == rows.schema
    text = json.dumps(made.to_pylist(), default=str).lower()
    assert text.replace("alice.meyers", "").count("alice") == 0
    before, after = rows.to_pylist(), made.to_pylist()
    assert [one == other for one, other in zip(before, after, strict=True)] == [
        False, False, True, False, True,
    ]  # fmt: skip
    assert after[0]["identity_arn"] == "arn:aws:iam::111122223333:user/team/***"
    assert after[0]["principal_arn"] == after[0]["actor"] == after[0]["identity_arn"]
    assert json.loads(after[0]["user_identity"])["userName"] == after[0]["user_name"] == "***"
    assert after[3]["resource_arns"] == ["arn:aws:iam::111122223333:user/***"]
    assert [row["masked_paths"] for row in after] == [
        "forgotten()", "forgotten()", None, "forgotten()", None,
    ]  # fmt: skip


def test_removing_takes_the_rows_of_who_acted_and_covers_mentions_by_others() -> None:
    made = eraser("remove").erase(table(*RECORDS))
    assert made["source_row"].to_pylist() == [1, 2, 3, 4]
    assert "alice.meyer" not in json.dumps(made.to_pylist(), default=str).lower().replace(
        "alice.meyers", ""
    )
    assert eraser("remove").count(table(*RECORDS)) == (3, 1)


@pytest.mark.parametrize(
    ("kind", "value", "acted"),
    [
        ("arn", ALICE["arn"], [0]),
        ("principal", ALICE["arn"], [0]),
        ("ip", "203.0.113.9", [0, 1, 2, 3, 4]),
        ("ip", "203.0.113.90", []),
        ("session_name", "Alice.Meyer", []),
    ],
)
def test_a_subject_is_told_by_the_columns_of_its_kind(
    kind: str, value: str, acted: list[int]
) -> None:
    left = eraser("remove", kind, value).erase(table(*RECORDS))["source_row"].to_pylist()
    assert sorted({*range(5)} - {*left}) == acted


def test_only_the_account_and_span_that_were_named_are_touched() -> None:
    rows = table(
        record(0, userIdentity=ALICE),
        record(60, userIdentity=ALICE),
        record(61, userIdentity=ALICE, recipientAccountId="444455556666"),
        record(120, userIdentity=ALICE),
        record(121, userIdentity=ALICE, eventTime="never"),
    )
    bounds: dict[str, Any] = {
        "since": START + dt.timedelta(seconds=60),
        "until": START + dt.timedelta(seconds=120),
        "account": "111122223333",
    }
    left = eraser("remove", **bounds).erase(rows)
    assert left["source_row"].to_pylist() == [0, 2, 3]  # without a time, it may be of the span
    all_of = eraser("remove", kind="account", value="444455556666", since=START)
    assert all_of.erase(rows)["source_row"].to_pylist() == [0, 1, 3, 4]


def test_a_file_without_rows_is_looked_at() -> None:
    """Series that a detector found nothing for have such files."""
    found = eraser().count(schema.EVENTS.empty_table())
    assert found == (0, 0)


def test_bytes_of_the_quarantine_are_covered_whatever_they_are() -> None:
    rows = pa.Table.from_pylist(
        [
            {
                "bucket": "b",
                "content": b'\xff{"userName":"Alice.Meyer"',
                "detail": "of alice.meyer",
            },
            {"bucket": "b", "content": None},
            {"bucket": "b", "content": b"\xff other"},
        ],
        schema.QUARANTINE,
    )
    made = eraser().erase(rows).to_pylist()
    assert made[0]["content"] == b'\xff{"userName":"***"'
    assert made[0]["detail"] == "of ***"
    assert made[1:] == rows.to_pylist()[1:]


@pytest.mark.parametrize("value", ["", "ab", "---", "....."])
def test_a_value_that_would_match_everywhere_is_refused(value: str) -> None:
    with pytest.raises(UsageError):
        Subject("user_name", value).check("mask")
    with pytest.raises(UsageError):
        Subject("account", "111122223333").check("mask")


NAMES = st.text(st.sampled_from('abÄ7é./@"\\ 😀'), min_size=3, max_size=6).filter(
    lambda text: (
        any(letter.isalnum() for letter in text) and text[0].isalnum() and text[-1].isalnum()
    )
)


@settings(max_examples=150, deadline=None)
@given(NAMES, st.booleans(), st.integers(0, 9))
def test_a_name_is_found_however_json_writes_it(name: str, ascii_only: bool, escaped: int) -> None:
    inner = json.dumps({"n": f"x\n{name} {name}", "k": [name, 7]}, ensure_ascii=ascii_only)
    if escaped < len(name) and name[escaped].isascii() and name[escaped].isalnum():
        inner = inner.replace(name[escaped], f"\\u{ord(name[escaped]):04X}")
        if not json_is(inner):
            return
    rows = table(record(0)).to_pylist()[0] | {"request_parameters": inner}
    made = eraser(value=name).erase(pa.Table.from_pylist([rows], schema.EVENTS)).to_pylist()[0]
    found = json.loads(made["request_parameters"])
    assert name.lower() not in json.dumps(found, ensure_ascii=False).lower() or name in "nkx7"
    assert "***" in made["request_parameters"]


def json_is(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return set(found) == {"n", "k"}


def test_an_incident_goes_with_any_account_that_it_lists() -> None:
    columns = {"account_ids": pa.list_(pa.string()), "story": pa.string()}
    lists = [["111122223333"], ["444455556666", "111122223333"], ["444455556666"], None]
    rows = pa.table([lists, ["a", "b", "c", "d"]], pa.schema(columns))
    found = eraser("remove", kind="account", value="111122223333")
    assert found.columns(rows.schema) == ["account_ids"]
    assert found.erase(rows)["story"].to_pylist() == ["c", "d"]
