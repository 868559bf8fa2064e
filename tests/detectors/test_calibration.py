from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.detectors.calibration import surprise, surprise_by_stratum, threshold

floats = st.floats(-1e6, 1e6)


@given(st.lists(floats, min_size=1, max_size=50), st.lists(floats, min_size=1, max_size=400))
def test_a_larger_deviation_is_never_less_surprising_beyond_the_body(
    values: list[float], pool: list[float]
) -> None:
    known = np.array(pool)
    body = np.sort(known)[min(int(0.95 * len(known)), len(known) - 1)]
    beyond = np.sort(body + np.abs(np.array(values)) + 1e-9)
    assert (np.diff(surprise(beyond, known)) >= -1e-12).all()


@given(st.lists(floats | st.just(float("nan")), max_size=50), st.lists(floats, max_size=100))
def test_scores_are_finite_and_not_negative(values: list[float], pool: list[float]) -> None:
    scores = surprise(np.array(values, np.float64), np.array(pool, np.float64))
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


def test_the_body_is_counted() -> None:
    pool = np.arange(1_000.0)
    assert surprise(np.array([500.0]), pool)[0] == pytest.approx(-np.log10(501 / 1_001))


def test_the_tail_keeps_its_nominal_rate() -> None:
    random = np.random.default_rng(5)
    pool, fresh = random.exponential(size=20_000), random.exponential(size=200_000)
    share = (surprise(fresh, pool) >= 3).mean()
    assert 0.3e-3 < share < 1.5e-3


def test_undetected_incidents_in_the_pool_do_not_hide_the_next_one() -> None:
    random = np.random.default_rng(6)
    clean = random.normal(size=5_000)
    spoiled = np.concatenate([clean, np.full(20, 50.0)])
    assert surprise(np.array([50.0]), spoiled)[0] > 4


def test_an_empty_pool_says_nothing() -> None:
    assert surprise(np.array([9.0]), np.array([np.nan]))[0] == 0


def test_a_small_stratum_is_widened_to_the_coarser_one() -> None:
    random = np.random.default_rng(7)
    pool = np.concatenate([random.normal(0, 1, 1_000), random.normal(100, 1, 10)])
    fine = np.concatenate([np.zeros(1_000, np.int64), np.ones(10, np.int64)])
    coarse = np.zeros(1_010, np.int64)
    value, one = np.array([5.0]), np.ones(1, np.int64)
    got = surprise_by_stratum(value, [one, one * 0], pool, [fine, coarse])
    assert got[0] == pytest.approx(surprise(value, pool)[0])


def test_half_the_budget_raises_the_threshold_by_log_two() -> None:
    assert threshold(3.5, 1, 100) - threshold(7, 1, 100) == pytest.approx(np.log10(2))
    assert threshold(7, 1, 1_000) == pytest.approx(3)


@pytest.mark.parametrize("count", [1, 5, 15, 50])
def test_a_few_equal_values_make_nothing_impossible(count: int) -> None:
    assert surprise(np.array([0.5]), np.zeros(count))[0] < 3


@pytest.mark.parametrize("count", [1, 5, 15, 19])
@pytest.mark.parametrize("value", [0.5, 5.0, 1e6])
def test_under_twenty_values_only_the_rank_counts(count: int, value: float) -> None:
    assert surprise(np.array([value]), np.zeros(count))[0] <= np.log10(count + 1) + 1e-12


def test_the_fewer_values_the_less_surprising_is_the_same_deviation() -> None:
    scores = [surprise(np.array([0.5]), np.zeros(n))[0] for n in (5, 19, 20, 50, 100, 300)]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]
