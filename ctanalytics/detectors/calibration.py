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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]

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

RARER: Final = math.log10(RANKED_POOL + 1)
"""A score beyond this comes from the tail of a pool, never from counting its values."""


class Surprising(Protocol):
    """Judges deviations by those of normal days."""

    def surprise(self, values: Floats) -> Floats:
        """Return -log10 p of each value, never negative; NaN gives 0."""
        ...


@dataclass(frozen=True)
class Null:
    """Deviations of normal days, ready to judge others."""

    known: Floats
    """Ascending."""
    body: float
    sigma: float
    """Of the tail beyond the body; 0 when there are too few values for one."""

    @property
    def tail(self) -> Tail:
        """What of it the rare values are judged by."""
        return Tail(self.body if self.sigma else 0.0, self.sigma)

    def surprise(self, values: Floats) -> Floats:
        """Return -log10 p of each value, never negative; NaN gives 0, and an empty pool 0 for all."""
        count = len(self.known)
        if not count:
            return np.zeros(len(values))
        at_least = count - np.searchsorted(self.known, values, side="left")
        scores = -np.log10((1.0 + at_least) / (count + 1.0))
        if self.sigma:
            scores = np.where(values > self.body, _fitted(values, self.body, self.sigma), scores)
        return np.maximum(np.where(np.isfinite(values), scores, 0.0), 0.0)


@dataclass(frozen=True, slots=True)
class Tail:
    """Two numbers that say as much as a pool of whatever is rarer than RARER: values nearer to the
    middle are judged to be nothing."""

    body: float
    sigma: float
    """0 where a pool has too few values to call any rare."""

    def surprise(self, values: Floats) -> Floats:
        """Return what the pool's `Null` does of values in its tail, and 0 of others."""
        if not self.sigma:
            return np.zeros(len(values))
        rare = np.isfinite(values) & (values > self.body)
        return np.maximum(np.where(rare, _fitted(values, self.body, self.sigma), 0.0), 0.0)


def _fitted(values: Floats, body: float, sigma: float) -> Floats:
    beyond = np.maximum(values - body, 0.0) / sigma
    found: Floats = -math.log10(1 - _BODY) + np.log10(1 + SHAPE * beyond) / SHAPE
    return found


def null(pool: Floats, *, least_scale: float = _LEAST_SCALE) -> Null:
    """Prepare a pool; see `surprise`."""
    known = np.sort(pool[np.isfinite(pool)])
    if len(known) < RANKED_POOL:
        return Null(known, math.inf, 0.0)
    return Null(known, *_tail(known, least_scale))


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
    return null(pool, least_scale=least_scale).surprise(values)


def _tail_place(count: int) -> int:
    place = int(_TAIL * count)
    return min(place, count - 1 - _UNTRUSTED) if count >= _UNTRUSTED_POOL else place


def _tail(known: Floats, least_scale: float) -> tuple[float, float]:
    """Where the tail of sorted values begins, and its scale."""
    count = len(known)
    begins, ends = int(_BODY * count), _tail_place(count)
    body, tail = float(known[begins]), float(known[ends])
    # Few values tell little of their tail: the fewer, the wider it is taken to be.
    least = max(least_scale, _LEAST_SCALE * MIN_POOL / count)
    if ends == begins:  # of twenty values the largest is both quantiles
        return body, least
    ratio = (1 - _BODY) / max((count - ends) / count, 1 - _TAIL)
    scale = max((tail - body) / math.log(ratio), least)
    return body, scale * math.log(ratio) * SHAPE / (ratio**SHAPE - 1)


class ByStratum(Protocol):
    """Judges each value by its own stratum, which is widened where it is small."""

    def surprise(self, values: Floats, strata: Sequence[Ints]) -> Floats:
        """Return -log10 p of values, each against its own stratum.

        Args:
            strata: of each value, from the finest to the coarsest; after the last, all is one.
        """
        ...


def _judged(
    values: Floats, strata: Sequence[Ints], judge: Callable[[int, int], Surprising | None]
) -> Floats:
    """See `ByStratum.surprise`.

    Args:
        judge: what the values of a level's stratum are judged by; None: by the next level.
    """
    scores = np.full(len(values), np.nan)
    everything = np.zeros(len(values), np.int64)
    for level, own in enumerate((*strata, everything)):
        waiting = np.isnan(scores)
        for stratum in np.unique(own[waiting]).tolist():
            found = judge(level, stratum)
            if found is not None:
                chosen = waiting & (own == stratum)
                scores[chosen] = found.surprise(values[chosen])
    return scores


@dataclass(frozen=True)
class Tails:
    """What is left of `Nulls` where only what is rarer than RARER is to be told."""

    known: Mapping[tuple[int, int], Tail | None]

    def surprise(self, values: Floats, strata: Sequence[Ints]) -> Floats:
        """See `ByStratum`."""
        return _judged(values, strata, lambda level, stratum: self.known[level, stratum])


@dataclass
class Nulls:
    """Pools by stratum, prepared when they are first asked for."""

    pool: Floats
    strata: Sequence[Ints]
    """Of the pool's values, as for `surprise`."""
    least_scale: float = _LEAST_SCALE
    _made: dict[tuple[int, int], Null | None] = field(default_factory=dict)

    def surprise(self, values: Floats, strata: Sequence[Ints]) -> Floats:
        """See `ByStratum`."""
        return _judged(values, strata, self._null)

    def tails(self) -> list[tuple[int, int, Tail | None]]:
        """Return what was asked for so far: level, stratum, and by what its rare values are judged;
        None where it is widened."""
        return [
            (level, stratum, one.tail if one else None)
            for (level, stratum), one in sorted(self._made.items())
        ]

    def _null(self, level: int, stratum: int) -> Null | None:
        if (level, stratum) not in self._made:
            members = np.isfinite(self.pool)
            last = level == len(self.strata)
            if not last:
                members &= self.strata[level] == stratum
            found = None
            if last or members.sum() >= MIN_POOL:
                found = null(self.pool[members], least_scale=self.least_scale)
            self._made[level, stratum] = found
        return self._made[level, stratum]


def surprise_by_stratum(
    values: Floats,
    strata: list[Ints],
    pool: Floats,
    pool_strata: list[Ints],
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
    return Nulls(pool, pool_strata, least_scale=least_scale).surprise(values, strata)


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
