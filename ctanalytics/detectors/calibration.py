"""From a deviation to a p-value: how often does a normal day show one this large?

The null pool is what other days and series of the same kind have shown. Its body is counted, its
tail is fitted between two quantiles, so that the few largest values (perhaps incidents that
nobody has found) say nothing about how rare they are.

Source: the conformal p-value of Vovk et al., "Algorithmic Learning in a Random World"; the tail is
a generalised Pareto distribution with a fixed shape, matched to two quantiles.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SHAPE: Final = 0.15
_BODY: Final = 0.95
_TAIL: Final = 0.995
_LEAST_SCALE: Final = 0.02
"""Of the tail, in units of the deviation: a pool of equal values would make all else impossible."""
_UNTRUSTED: Final = 2
_UNTRUSTED_POOL: Final = 100
"""The largest two values of a pool of so many are not used either: half a percent of a small pool
is nobody, and one incident in it would set the tail."""

RANKED_POOL: Final = 20
"""Values below which a pool has no tail to fit: p is at least 1 / (n + 1)."""

MIN_POOL: Final = 300
"""Values below which a pool's 99.5 % quantile is a guess."""


def surprise(values: Floats, pool: Floats, *, least_scale: float = _LEAST_SCALE) -> Floats:
    """Return -log10 p of each value against a pool of normal ones.

    Args:
        values: deviations, larger = more abnormal; NaN gives 0.
        pool: deviations of normal days; NaN are left out; in any order.
        least_scale: of the tail, however equal the pool's values are, in units of the deviation;
            for a pool of n values at least 0.02 MIN_POOL / n.

    Returns:
        -log10 p, never negative; 0 for all when the pool is empty. Under RANKED_POOL values it is
        counted alone, and so at most log10(n + 1).
    """
    known = np.sort(pool[np.isfinite(pool)])
    count = len(known)
    if not count:
        return np.zeros(len(values))
    at_least = count - np.searchsorted(known, values, side="left")
    scores = -np.log10((1.0 + at_least) / (count + 1.0))
    if count >= RANKED_POOL:
        body, sigma = _tail(known, least_scale)
        beyond = np.maximum(values - body, 0.0) / sigma
        fitted = -math.log10(1 - _BODY) + np.log10(1 + SHAPE * beyond) / SHAPE
        scores = np.where(values > body, fitted, scores)
    return np.maximum(np.where(np.isfinite(values), scores, 0.0), 0.0)


def _tail(known: Floats, least_scale: float) -> tuple[float, float]:
    """Where the tail of sorted values begins, and its scale."""
    count = len(known)
    body = known[min(int(_BODY * count), count - 1)]
    place = min(int(_TAIL * count), count - 1)
    if count >= _UNTRUSTED_POOL:
        place = min(place, count - 1 - _UNTRUSTED)
    tail = known[place]
    ratio = (1 - _BODY) / max((count - place) / count, 1 - _TAIL)
    # Few values tell little of their tail: the fewer, the wider it is taken to be.
    least = max(least_scale, _LEAST_SCALE * MIN_POOL / count)
    scale = max((tail - body) / math.log(ratio), least)
    sigma = scale * math.log(ratio) * SHAPE / (ratio**SHAPE - 1)
    return float(body), float(sigma)


def surprise_by_stratum(
    values: Floats,
    strata: list[npt.NDArray[np.int64]],
    pool: Floats,
    pool_strata: list[npt.NDArray[np.int64]],
    *,
    least_scale: float = _LEAST_SCALE,
) -> Floats:
    """As `surprise`, each value against the pool of its own stratum, widened when that is small.

    Args:
        values: (n,) deviations.
        strata: from the finest to the coarsest, the stratum of each value; after the last one
            everything is one pool.
        pool: (m,) deviations of normal days.
        pool_strata: the same kinds of strata, of each pool value.
        least_scale: as for `surprise`.
    """
    scores = np.full(len(values), np.nan)
    usable = np.isfinite(pool)
    everything = (np.zeros(len(values), np.int64), np.zeros(len(pool), np.int64))
    for own, theirs in (*zip(strata, pool_strata, strict=True), everything):
        waiting = np.isnan(scores)
        for stratum in np.unique(own[waiting]):
            members = usable & (theirs == stratum)
            last = own is everything[0]
            if members.sum() < MIN_POOL and not last:
                continue
            chosen = waiting & (own == stratum)
            scores[chosen] = surprise(values[chosen], pool[members], least_scale=least_scale)
    return scores


@cache
def default_pool(name: str) -> Floats:
    """Return normal days of made-up organizations, for lakes that have too few of their own.

    Args:
        name: surge_5 and drop_60 and so on, by window, or stop. Made by benchmarks/default_pools.py.
    """
    file = resources.files("ctanalytics.detectors").joinpath("data", "pools.json")
    return np.array(json.loads(file.read_text("utf-8"))["pools"][name], np.float64)


def threshold(budget_per_week: float, share: float, looks_per_day: int) -> float:
    """Return the score that a day's look must reach for the budget to hold: a union bound.

    Args:
        budget_per_week: false alarms that the whole lake may raise in a week.
        share: the detector's part of it.
        looks_per_day: how many series (or principals) times windows are looked at in a day.
    """
    return -math.log10(min(1.0, budget_per_week * share / (7 * max(looks_per_day, 1))))
