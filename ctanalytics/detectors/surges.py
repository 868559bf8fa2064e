"""Surges: a series runs above its expectation and above its own record, in five windows at once.

Every formula is explained in docs/detection.md; names here are the ones used there.

A day is judged by its largest deviations, which are part of the state. Only series of which one is
too large are looked at minute by minute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from ctanalytics.detectors.calibration import MIN_POOL, Nulls, default_pool
from ctanalytics.detectors.history import History
from ctanalytics.detectors.own_record import Own, deviation, of_window
from ctanalytics.detectors.peaks import LEAST_CALLS, LEAST_RATIO, looks
from ctanalytics.detectors.series import DAY, HISTORY_DAYS, POOL_DAYS, Bools, Floats, Ints
from ctanalytics.detectors.series import SURGE_WINDOWS as WINDOWS
from ctanalytics.detectors.surge_spans import PROVISIONAL_DAYS, Looks, Spans, Surge

LOOKS: Final = len(WINDOWS)
BURSTS: Final = (
    "under 8 calls in 15 minutes",
    "8 to 29",
    "30 to 119",
    "120 and more",
)
"""The coarse strata, by the most calls of 28 days."""

_LEAST_SCALE: Final = 0.3
"""Of the pool's tail, in units of u."""
_OFTEN: Final = 0.01
_LEAST_DAYS: Final = 1_000
_MOST_SHIFT: Final = 1.0
_PROVISIONAL_MARGIN: Final = 0.5


@dataclass(frozen=True)
class Judged:
    """What the days of a window show, before any minute of them is looked at."""

    history: History
    own: dict[int, Own]
    scores: Floats
    """(windows, series, days from the first that is judged) -log10 p of each day."""
    strata: list[tuple[Ints, Ints]]
    """By day, each series' stratum, fine and coarse."""
    shifts: Floats
    """By day, what the scores are moved by: see `_shift`."""

    @property
    def p_values(self) -> Floats:
        """(series, days) of each day, over all windows; 1 where nothing could page."""
        found: Floats = np.minimum(LOOKS * 10.0 ** -self.scores.max(axis=0), 1.0)
        return found

    def looks(self, day: int) -> Floats:
        """(windows, series) -log10 p of a day's largest deviations, whether or not they could page."""
        strata = self.strata[day - self.history.first_day]
        return np.stack(
            [
                self.nulls(window, day).surprise(own.u[:, day - own.first], strata)
                for window, own in self.own.items()
            ]
        )

    def is_known(self, day: int) -> Bools:
        """(series,) whether a day was judged at all: there is a record, and no hole in the logs."""
        own = self.own[WINDOWS[0]]
        found: Bools = ~np.isnan(own.u[:, day - own.first])
        return found

    def most(self, place: int, day: int) -> Floats:
        """(series,) the most calls in a window of a day."""
        return self.history.peak("most", place, day)[:, 0]

    def nulls(self, window: int, day: int) -> Nulls:
        """Return the pools that a day is judged by."""
        own, strata = self.own[window], self.strata[day - self.history.first_day]
        days = slice(day - own.first - POOL_DAYS, day - own.first)
        pool = own.normal[:, days].ravel()
        repeated = [np.repeat(stratum, POOL_DAYS) for stratum in strata]
        if int(np.isfinite(pool).sum()) < MIN_POOL:
            shipped = default_pool(f"surge_{window}")
            pool = np.concatenate((pool, shipped))
            # No series is of the stratum -1: they widen the pool of everything alone.
            nobody = np.full(len(shipped), -1, np.int64)
            repeated = [np.concatenate((one, nobody)) for one in repeated]
        return Nulls(pool, repeated, least_scale=_LEAST_SCALE)


def judge(history: History) -> Judged:
    """Score each series' days from the first day to judge on."""
    first, days = history.first_day, history.axis.days
    strata = [_strata(history, day) for day in range(first, days)]
    own = {window: of_window(history, place) for place, window in enumerate(WINDOWS)}
    scores = np.zeros((LOOKS, history.count, days - first))
    judged = Judged(history, own, scores, strata, np.zeros(days - first))
    for day in range(first, days):
        column, pools = day - first, {window: judged.nulls(window, day) for window in WINDOWS}
        judged.shifts[column] = _shift(judged, pools, day)
        for place, window in enumerate(WINDOWS):
            values = own[window].held[:, day - own[window].first]
            found = pools[window].surprise(values, strata[column])
            scores[place, :, column] = moved(found, judged.shifts[column])
    return judged


def _shift(judged: Judged, pools: dict[int, Nulls], day: int) -> float:
    """What brings the scores of a day to what they promise.

    A union bound over windows that overlap, and looks without calls enough to page, make alarms
    rarer than p says. How much, the days of the pool tell: the score that one series-day in a
    hundred reaches is moved to where one in a hundred is promised. 0 where there are too few days.
    """
    strata = [np.repeat(one, POOL_DAYS) for one in judged.strata[day - judged.history.first_day]]
    best = np.zeros(judged.history.count * POOL_DAYS)
    for window, own in judged.own.items():
        days = slice(day - own.first - POOL_DAYS, day - own.first)
        known = np.isfinite(own.normal[:, days]).ravel()
        held = np.where(known, own.held[:, days].ravel(), np.nan)
        best = np.maximum(best, pools[window].surprise(held, strata))
    if known.sum() < _LEAST_DAYS:
        return 0.0
    usual = float(np.quantile(best[known], 1 - _OFTEN))
    return float(np.clip(math.log10(LOOKS / _OFTEN) - usual, -_MOST_SHIFT, _MOST_SHIFT))


def moved(scores: Floats, shift: float) -> Floats:
    """Return scores moved by a shift; what could not page stays at 0."""
    return np.where(scores > 0, np.maximum(scores + shift, 0.0), 0.0)


def _strata(history: History, day: int) -> tuple[Ints, Ints]:
    """(series,) the fine stratum of a day (rate and burstiness) and the coarse one (burstiness)."""
    start = day - HISTORY_DAYS
    most = history.peak("most", WINDOWS.index(15), start)[:, :HISTORY_DAYS].max(axis=1)
    burst = np.digitize(most, (8, 30, 120)).astype(np.int64)
    level = history.levels(day)
    rate = np.clip(np.floor(np.log10(level + 0.1)), -1, 3).astype(np.int64) + 1
    return rate * 4 + burst, burst


def find(judged: Judged, theta: Floats | float) -> list[Surge]:
    """Find the surges that fire on the days that were judged.

    Args:
        theta: the score that fires, of all days or of each.
    """
    history = judged.history
    width = history.axis.days - history.first_day
    needed = np.broadcast_to(np.asarray(theta, np.float64), (width,)) + margin(history)
    chosen = np.flatnonzero((judged.scores.max(axis=0) >= needed).any(axis=1))
    if not len(chosen):
        return []
    part = history.of(chosen)
    found = look(judged, chosen, part)
    fires = firing(found, needed[chosen], history.first_day)
    surges: list[Surge] = []
    most = np.stack(
        [part.peak("most", place, history.first_day - HISTORY_DAYS) for place in range(LOOKS)]
    )
    for number in np.unique(found.series[fires.any(axis=0)]).tolist():
        entries = np.flatnonzero(found.series == number)
        spans = Spans(part, found, fires, entries, most[:, number].astype(np.int64))
        surges += spans.surges(int(chosen[number]))
    return surges


def margin(history: History) -> Floats:
    """(series, days that are judged) what young accounts need beyond the threshold."""
    young = history.age[:, history.first_day :] < PROVISIONAL_DAYS
    return np.where(young, _PROVISIONAL_MARGIN, 0.0)


def look(judged: Judged, chosen: Ints, part: History) -> Looks:
    """Score every entry of some series in every window, from the first day to judge on.

    Args:
        part: the history of the chosen series alone.
    """
    first, days = part.first_day, part.axis.days
    minutes = part.minutes(first - 2, days)
    expected = part.expected(first - 1, days)
    entries, seen_by_window = looks(minutes, expected, first)
    who, day = minutes.series[entries], minutes.day[entries]
    found = Looks(minutes, who, minutes.minute[entries], {}, {}, {}, {})
    for window, seen in seen_by_window:
        own = judged.own[window]
        column = day - own.first
        y = np.round(seen.y, 9)
        u = deviation(y, own.record[chosen][who, column], own.scale[chosen][who, column])
        u[np.isnan(own.u[chosen][who, column])] = np.nan
        scores = np.zeros(len(entries))
        for today in np.unique(day).tolist():
            at = np.flatnonzero(day == today)
            strata = [one[chosen[who[at]]] for one in judged.strata[today - first]]
            told = judged.nulls(window, today).surprise(u[at], strata)
            scores[at] = moved(told, float(judged.shifts[today - first]))
        found.sums[window], found.expected[window] = seen.sums, seen.expected
        found.y[window], found.scores[window] = y, scores
    return found


def firing(found: Looks, needed: Floats, first_day: int) -> Bools:
    """(windows, entries) whether a window's look fires.

    Args:
        needed: (series, days from `first_day` on) the score that does.
    """
    least = needed[found.series, found.minute // DAY - first_day]
    return np.stack(
        [
            (found.scores[window] >= least)
            & (found.sums[window] >= LEAST_CALLS)
            & (found.sums[window] >= LEAST_RATIO * found.expected[window])
            for window in WINDOWS
        ]
    )
