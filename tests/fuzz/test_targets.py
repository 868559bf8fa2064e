"""Every target holds on the inputs from which fuzzing starts, on damaged ones, and on all that once broke one."""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import FOUND, TARGETS


@functools.cache
def seeds(name: str) -> list[bytes]:
    return list(itertools.islice(TARGETS[name].seeds(), 30))


@pytest.mark.parametrize("name", TARGETS)
def test_target_holds(name: str) -> None:
    """A target without a seed would fuzz nothing that our parsers know."""
    assert seeds(name)
    for seed in seeds(name):
        TARGETS[name].run(seed)
        TARGETS[name].run(seed[: len(seed) // 2])
    for path in sorted((FOUND / name).glob("*")):
        TARGETS[name].run(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=15)
@given(data=st.data())
def test_target_holds_on_any_bytes_and_on_damage(name: str, data: st.DataObject) -> None:
    """A little of what `make fuzz` does for an hour, in every run of the tests."""
    seed = data.draw(st.sampled_from(seeds(name)) | st.just(b""))
    at, length = data.draw(st.integers(0, len(seed))), data.draw(st.integers(0, 40))
    noise = data.draw(st.binary(max_size=40) | st.sampled_from([b"[" * 2_000, b'"', b"\0" * 9]))
    TARGETS[name].run(seed[:at] + noise + seed[at + length :])
