"""Cutting JSON text apart: the pieces are the source's own bytes, and nothing raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.lake.json_text import elements, members, mended

text = st.text(st.characters(exclude_categories=()), max_size=12)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
indents = st.none() | st.integers(0, 3)


@given(st.lists(trees, max_size=5), indents)
def test_a_list_falls_into_its_elements(found: list[Any], indent: int | None) -> None:
    source = json.dumps(found, indent=indent).encode()
    pieces = elements(source)
    assert pieces is not None
    assert [json.loads(piece) for piece in pieces] == found
    assert all(piece in source for piece in pieces)
    assert members(source) is None


@given(st.dictionaries(st.text(max_size=12), trees, max_size=5), indents)
def test_an_object_falls_into_its_members(found: dict[str, Any], indent: int | None) -> None:
    source = json.dumps(found, indent=indent).encode()
    pieces = members(source)
    assert pieces is not None
    assert {key: json.loads(piece) for key, piece in pieces.items()} == found
    assert all(piece in source for piece in pieces.values())
    assert elements(source) is None


@given(st.binary(max_size=80) | st.text('[]{}",:\\u0d8a1 ', max_size=60).map(str.encode))
def test_no_bytes_raise(source: bytes) -> None:
    elements(source)
    members(source)
    assert len(mended(source)) == len(source)


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"[",
        b"[1",
        b"[1]]",
        b"[1]x",
        b'["a]',
        b"[1}",
        b"{1]",
        b'{"a":1',
        b"{a:1}",
        b"[{]}",
        b"x",
    ],
)
def test_brackets_that_do_not_pair_up_give_nothing(source: bytes) -> None:
    assert elements(source) is None
    assert members(source) is None


def test_the_last_of_two_equal_keys_counts() -> None:
    assert members(b'{"a":1, "a" : [2] }') == {"a": b"[2]"}


def test_depth_is_no_limit() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    assert elements(b"[1," + deep + b"]") == [b"1", deep]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (rb'"\ud800"', rb'"\ufffd"'),
        (rb'"\uDBFF\u0041"', rb'"\ufffd\u0041"'),
        (rb'"\udc00\ud800"', rb'"\ufffd\ufffd"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\\ud800"', rb'"\\ud800"'),
        (rb'"\\\ud800"', rb'"\\\ufffd"'),
        (rb'"\ud7ff\ue000"', rb'"\ud7ff\ue000"'),
    ],
)
def test_half_a_pair_is_replaced_and_nothing_else(source: bytes, expected: bytes) -> None:
    assert mended(source) == expected


@given(text)
def test_mended_text_is_the_same_with_replacement_characters(value: str) -> None:
    found = json.loads(mended(json.dumps(value).encode()))
    # As JSON has it, two halves in a row are one character.
    whole = json.loads(json.dumps(value))
    assert found == "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in whole)
