"""Scores become p-values that hold what they promise, at most as strange as held-out days show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.detectors.behaviour_calibration import POWERS, surprise, together

Floats = npt.NDArray[np.float64]
scores = st.lists(st.floats(-1e6, 1e6), max_size=400)


@given(scores, scores)
def test_p_values_are_finite_and_fall_as_scores_rise(
    values: list[float], pool: list[float]
) -> None:
    found = surprise(np.sort(np.array(values, np.float64)), np.array(pool, np.float64), POWERS[1])
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (np.diff(found) >= -1e-12).all()


def sums(random: np.random.Generator, count: int) -> Floats:
    """As three families together: a sum of -log10 p."""
    return random.exponential(1 / np.log(10), (count, 3)).sum(axis=1)


def bounded(random: np.random.Generator, count: int) -> Floats:
    """As a forest, whose scores have an end."""
    return 35 + 45 * random.beta(1.2, 7, count)


@pytest.mark.parametrize(("draw", "power"), [(sums, POWERS[0]), (bounded, POWERS[1])])
def test_the_promised_rate_is_kept_whatever_the_tail(
    draw: Callable[[np.random.Generator, int], Floats], power: float
) -> None:
    random = np.random.default_rng(5)
    normal = draw(random, 20_000)
    shares = [
        np.array(
            [(surprise(normal, draw(random, 3_000), power) >= level).mean() for level in (2, 3)]
        )
        for _ in range(20)
    ]
    two, three = np.mean(shares, axis=0)
    assert 0.85e-2 < two < 1.15e-2
    assert 0.7e-3 < three < 1.5e-3


def test_an_incident_that_nobody_marked_does_not_hide_the_next_one() -> None:
    pool = sums(np.random.default_rng(6), 3_000)
    pool[:5] = 25.0
    assert surprise(np.array([25.0]), pool, 1.1)[0] > 5


def test_few_days_are_counted_and_none_say_nothing() -> None:
    assert surprise(np.array([9.0]), np.arange(8.0), 1.1)[0] == pytest.approx(-np.log10(0.5 / 9))
    assert surprise(np.array([9.0]), np.zeros(0), 1.1)[0] == 0


def test_equal_scores_do_not_make_all_else_impossible() -> None:
    assert 2 < surprise(np.array([1.5]), np.ones(3_000), 1.1)[0] < 4


def test_opinions_that_agree_are_one_chance_and_others_two() -> None:
    random = np.random.default_rng(7)
    one, other = -np.log10(random.uniform(size=(2, 40_000)))
    same, apart = np.stack([one, one], axis=1), np.stack([one, other], axis=1)
    assert together(same, same) == pytest.approx(one, abs=0.05)
    assert together(apart, apart).max() == pytest.approx(apart.max() - np.log10(2), abs=0.05)
    assert (together(apart, apart) >= 3).mean() == pytest.approx(1e-3, rel=0.4)
    assert np.array_equal(together(one[:, None], one[:, None]), one)
