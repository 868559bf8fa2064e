"""What others do with a rate, from their public descriptions, on the same minutes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import nbinom

from benchmarks.detection.rate_scores import Scores
from benchmarks.detection.rate_simulation import DAY, DAYS, TEST_FROM, Calls

Floats = npt.NDArray[np.float64]

_WEEK = 7 * DAY
_MONTH = 28


def _each(calls: Calls, score: Callable[[Floats, int], Floats], least: float) -> Scores:
    """Score each test day of each series by its calls per minute up to the day's end."""
    series, minutes, found = [], [], []
    for number in range(calls.count):
        dense = calls.dense(number).astype(np.float64)
        for day in range(TEST_FROM, DAYS):
            scored = score(dense, day * DAY)
            kept = np.flatnonzero(scored >= least)
            series.append(np.full(len(kept), number))
            minutes.append(kept + day * DAY)
            found.append(scored[kept])
    return Scores(np.concatenate(series), np.concatenate(minutes), np.concatenate(found))


def _sums(values: Floats, width: int) -> Floats:
    """Sums of the `width` values that end at each place from the width on."""
    known = np.concatenate(([0.0], np.cumsum(values)))
    return known[width:] - known[:-width]


def mean_deviation_1(calls: Calls) -> Scores:
    """Standard deviations of seven days above their mean, minute by minute."""

    def score(dense: Floats, start: int) -> Floats:
        past = dense[start - _WEEK : start]
        return (dense[start : start + DAY] - past.mean()) / max(past.std(), 1 / _WEEK**0.5)

    return _each(calls, score, 4.0)


def mean_deviation_5(calls: Calls) -> Scores:
    """The same of five-minute sums."""

    def score(dense: Floats, start: int) -> Floats:
        past = dense[start - _WEEK : start].reshape(-1, 5).sum(axis=1)
        now = _sums(dense[start - 4 : start + DAY], 5)
        return (now - past.mean()) / max(past.std(), 0.05)

    return _each(calls, score, 4.0)


def negative_binomial(calls: Calls) -> Scores:
    """-log10 of the tail of a negative binomial fitted to a week of five-minute sums."""

    def score(dense: Floats, start: int) -> Floats:
        past = dense[start - _WEEK : start].reshape(-1, 5).sum(axis=1)
        now = _sums(dense[start - 4 : start + DAY], 5)
        mean = past.mean()
        spread = max(past.var(), mean * 1.05 + 1e-4)
        shape = mean**2 / (spread - mean)
        tail = np.nan_to_num(-nbinom.logsf(now - 1, shape, mean / spread), posinf=700.0)
        return np.where(now > 0, tail / np.log(10), 0.0)

    return _each(calls, score, 3.0)


def maximum_ratio(calls: Calls) -> Scores:
    """Five-minute sums against the largest of 28 days."""

    def score(dense: Floats, start: int) -> Floats:
        past = _sums(dense[max(0, start - _MONTH * DAY) : start], 5)
        return _sums(dense[start - 4 : start + DAY], 5) / (5 + past.max())

    return _each(calls, score, 0.8)


def hourly_median(calls: Calls) -> Scores:
    """Hourly sums against the median of the hour of day, in median absolute deviations."""

    def score(dense: Floats, start: int) -> Floats:
        past = dense[max(0, start - _MONTH * DAY) : start].reshape(-1, 24, 60).sum(axis=2)
        middle = np.median(past, axis=0)
        spread = np.median(np.abs(past - middle), axis=0)
        scale = np.repeat(1.4826 * spread + 1 + np.sqrt(middle), 60)
        return (_sums(dense[start - 59 : start + DAY], 60) - np.repeat(middle, 60)) / scale

    return _each(calls, score, 4.0)
