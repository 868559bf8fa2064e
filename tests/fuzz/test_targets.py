"""Every target holds on the inputs from which fuzzing starts, and on all that once broke one."""

from __future__ import annotations

import itertools

import pytest

from tests.fuzz.targets import FOUND, TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_target_holds(name: str) -> None:
    """A target without a seed would fuzz nothing that our parsers know."""
    seeds = list(itertools.islice(TARGETS[name].seeds(), 30))
    assert seeds
    for seed in seeds:
        TARGETS[name].run(seed)
        TARGETS[name].run(seed[: len(seed) // 2])
    for path in sorted((FOUND / name).glob("*")):
        TARGETS[name].run(path.read_bytes())
