from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctanalytics.detectors.calibration import Nulls, null, surprise, surprise_by_stratum, threshold

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


def test_an_empty_pool_says_nothing_and_of_no_number_nothing_is_said() -> None:
    assert surprise(np.array([9.0]), np.array([np.nan]))[0] == 0
    assert surprise(np.array([np.nan]), np.arange(1_000.0))[0] == 0


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
    found = null(np.zeros(count))
    assert (found.body, found.sigma) == (np.inf, 0)


def test_of_twenty_values_the_largest_begins_a_tail_of_the_least_scale() -> None:
    found = null(spread(20))
    assert (found.body, found.sigma) == pytest.approx((1.0, 0.02 * 300 / 20))


def test_the_fewer_values_the_less_surprising_is_the_same_deviation() -> None:
    scores = [surprise(np.array([0.5]), np.zeros(n))[0] for n in (*range(1, 100), 300)]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def spread(count: int, centre: float = 0.0) -> npt.NDArray[np.float64]:
    return centre + np.linspace(-1, 1, count)


@pytest.mark.parametrize(("count", "used"), [(99, True), (100, False), (600, False)])
def test_from_a_hundred_values_on_the_two_largest_say_nothing(count: int, used: bool) -> None:
    """One incident among the days of a pool must not set what is normal."""
    calm, spoiled = spread(count), spread(count)
    spoiled[-2:] = 50.0
    told = [surprise(np.array([9.0]), pool)[0] for pool in (calm, spoiled)]
    assert (told[0] > told[1] + 0.1) == used
    spoiled[-3:] = 50.0
    assert surprise(np.array([9.0]), spoiled)[0] < told[0] - 0.1


def test_the_tail_begins_where_the_body_ends_and_passes_through_the_upper_quantile() -> None:
    pool = np.arange(1_000.0)
    body, upper = surprise(np.array([950.0 + 1e-9, 995.0]), pool)
    assert (10**-body, 10**-upper) == pytest.approx((0.05, 0.005))
    assert surprise(np.array([950.0]), pool)[0] == pytest.approx(-np.log10(51 / 1_001))
    assert surprise(np.array([-5.0, 1e9]), pool)[0] == 0


def test_a_wider_least_scale_makes_a_pool_of_equal_values_less_sure() -> None:
    pool, value = np.zeros(1_000), np.array([0.5])
    narrow, wide = surprise(value, pool)[0], surprise(value, pool, least_scale=0.2)[0]
    assert narrow > wide + 1
    none = [np.zeros(1, np.int64)], pool, [np.zeros(1_000, np.int64)]
    assert surprise_by_stratum(value, *none, least_scale=0.2)[0] == wide
    # However few: as a pool of 300 values of that scale, and wider by 300 / n.
    assert surprise(value, np.zeros(30))[0] < surprise(value, np.zeros(300))[0]
    assert surprise(value, np.zeros(30))[0] == surprise(value, np.zeros(30), least_scale=0.2)[0]


@pytest.mark.parametrize(("size", "own"), [(300, True), (299, False)])
def test_each_value_is_judged_by_its_own_stratum_from_three_hundred_values_on(
    size: int, own: bool
) -> None:
    low, high = spread(size), spread(size, 100.0)
    pool = np.concatenate([low, [np.nan], high, [np.nan]])
    strata = np.repeat(np.array([3, 4]), size + 1)
    values = np.array([2.0, 102.0, 2.0, 102.0])
    of = np.array([3, 4, 4, 9])
    got = surprise_by_stratum(values, [of], pool, [strata])
    widened = surprise(values, pool)
    expected = [surprise(values[:1], low)[0], surprise(values[1:2], high)[0], 0.0]
    assert got.tolist() == pytest.approx([*expected, widened[3]] if own else widened.tolist())


def test_strata_are_asked_from_the_finest_and_prepared_once() -> None:
    pool = np.concatenate([spread(400), spread(400, 100.0)])
    fine, coarse = np.repeat([0, 1, 2], [200, 200, 400]), np.repeat([0, 1], 400)
    nulls = Nulls(pool, [fine, coarse])
    one = np.array([102.0])
    for own, kind, expected in ((2, 1, pool[400:]), (1, 0, pool[:400]), (7, 7, pool)):
        got = nulls.surprise(one, [np.array([own]), np.array([kind])])
        assert got[0] == surprise(one, expected)[0]
    made = dict(nulls._made)
    assert nulls.surprise(one, [np.array([2]), np.array([1])])[0] == surprise(one, pool[400:])[0]
    assert all(nulls._made[place] is found for place, found in made.items())


@pytest.mark.parametrize(
    ("budget", "share", "looks", "p"),
    [
        pytest.param(7, 0.5, 10, 0.05, id="half-of-one-a-day-over-ten-looks"),
        pytest.param(3.5, 1, 1, 0.5, id="one-look"),
        pytest.param(3.5, 1, 0, 0.5, id="no-look-counts-as-one"),
        pytest.param(700, 1, 2, 1.0, id="more-budget-than-looks"),
    ],
)
def test_a_threshold_is_the_budget_of_a_day_spread_over_its_looks(
    budget: float, share: float, looks: int, p: float
) -> None:
    assert 10 ** -threshold(budget, share, looks) == pytest.approx(p)
