"""Parts of a plan: about the same work in each, and never more than a worker may hold."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.app.ingest_plan import balanced
from tests.logs import key

SIZE, COUNT = 1_000_000, 500


def objects(sizes: list[int]) -> list[dict[str, Any]]:
    return [{"key": key(number), "size_bytes": size} for number, size in enumerate(sizes)]


def work(part: list[dict[str, Any]]) -> float:
    return sum(found["size_bytes"] for found in part) / SIZE + len(part) / COUNT


@pytest.mark.parametrize("mean", [200, 2_000, 20_000])
def test_parts_of_a_plan_have_about_the_same_work(mean: int) -> None:
    draw = random.Random(mean)
    sizes = [min(int(draw.lognormvariate(0, 1) * mean), SIZE // 10) for _ in range(5_000)]
    parts = list(balanced(objects(sizes), SIZE, COUNT))
    works = [work(part) for part in parts]
    assert max(works) < 1.15 * sum(works) / len(works)
    assert sorted(works)[1] > 0.8 * sum(works) / len(works)  # the last one has the rest


@given(st.lists(st.integers(0, 3 * SIZE), max_size=60))
def test_every_object_is_in_one_part_and_no_part_is_too_large(sizes: list[int]) -> None:
    given_ = objects(sizes)
    parts = list(balanced(given_, SIZE, COUNT))
    assert sorted(found["key"] for part in parts for found in part) == sorted(
        found["key"] for found in given_
    )
    assert all(parts)
    for part in parts:
        assert len(part) <= COUNT
        assert len(part) == 1 or sum(found["size_bytes"] for found in part) <= SIZE
