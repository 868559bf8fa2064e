"""Surges: a series runs above its expectation and above its own record, in five windows at once.

Every formula is explained in docs/detection.md; names here are the ones used there.

A day is judged by its largest deviations, which are part of the state. Only series of which one is
too large are looked at minute by minute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ctanalytics.detectors.calibration import MIN_POOL, ByStratum, Nulls, Tail, default_pool
from ctanalytics.detectors.history import History
from ctanalytics.detectors.own_record import Deviations, deviation, of_window
from ctanalytics.detectors.peaks import LEAST_CALLS, LEAST_RATIO, looks
from ctanalytics.detectors.series import DAY, HISTORY_DAYS, POOL_DAYS, Bools, Floats, Ints, Judging
from ctanalytics.detectors.series import SURGE_WINDOWS as WINDOWS
from ctanalytics.detectors.surge_spans import PROVISIONAL_DAYS, Looks, Spans, Surge

Strata = npt.NDArray[np.int8]

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
class Shown:
    """What the days of some series show by themselves; of several parts put together it is that of
    all their series."""

    own: Mapping[int, Deviations]
    """By window."""
    strata: list[Strata]
    """By day from the first that is judged, each series' fine stratum."""
    young: Bools
    """(series, days that are judged) whether the account's logs are too few to be sure."""

    @classmethod
    def of(cls, history: History) -> Shown:
        """Take it from a history."""
        first, days = history.first_day, history.axis.days
        strata = [_stratum(history, day) for day in range(first, days)]
        own = {window: of_window(history, place) for place, window in enumerate(WINDOWS)}
        return cls(own, strata, history.age[:, first:] < PROVISIONAL_DAYS)


@dataclass(frozen=True)
class Told:
    """What a driver found out about all series, as far as some of them need it to be judged."""

    tails: Mapping[tuple[int, int], ByStratum]
    """By window and day."""
    shifts: Floats


@dataclass(frozen=True)
class Judged:
    """What the days of a window show against those of all series, before any minute is looked at."""

    days: Judging
    shown: Shown
    scores: Floats
    """(windows, series, days from the first that is judged) -log10 p of each day."""
    shifts: Floats
    """By day, what the scores are moved by: see `_shift`."""
    tails: dict[tuple[int, int], list[tuple[int, int, Tail | None]]]
    """By window and day, what the series' strata are judged by where they are rare."""
    told: Told | None = None
    """Where these are not all series: what the others tell."""

    @property
    def p_values(self) -> Floats:
        """(series, days) of each day, over all windows; 1 where nothing could page."""
        found: Floats = np.minimum(LOOKS * 10.0 ** -self.scores.max(axis=0), 1.0)
        return found

    @property
    def margin(self) -> Floats:
        """(series, days that are judged) what young accounts need beyond the threshold."""
        return np.where(self.shown.young, _PROVISIONAL_MARGIN, 0.0)

    def over(self, theta: Floats | float) -> Bools:
        """(series,) whether a day's score reaches what its day needs."""
        needed = np.asarray(theta, np.float64) + self.margin
        found: Bools = (self.scores.max(axis=0) >= needed).any(axis=1)
        return found

    def strata(self, day: int) -> tuple[Strata, Strata]:
        """(series,) the fine stratum as of a day, and the coarse one."""
        return _strata(self.shown.strata[day - self.days.first_day])

    def looks(self, day: int) -> Floats:
        """(windows, series) -log10 p of a day's largest deviations, whether or not they could page."""
        return np.stack(
            [
                self.nulls(window, day).surprise(own.u[:, day - own.first], self.strata(day))
                for window, own in self.shown.own.items()
            ]
        )

    def is_known(self, day: int) -> Bools:
        """(series,) whether a day was judged at all: there is a record, and no hole in the logs."""
        own = self.shown.own[WINDOWS[0]]
        found: Bools = ~np.isnan(own.u[:, day - own.first])
        return found

    def nulls(self, window: int, day: int) -> ByStratum:
        """Return what a day is judged by."""
        if self.told:
            return self.told.tails[window, day]
        own, strata = self.shown.own[window], self.strata(day)
        days = slice(day - own.first - POOL_DAYS, day - own.first)
        pool = own.normal[:, days].ravel()
        repeated = [np.repeat(stratum, POOL_DAYS) for stratum in strata]
        if int(np.isfinite(pool).sum()) < MIN_POOL:
            shipped = default_pool(f"surge_{window}")
            pool = np.concatenate((pool, shipped))
            # No series is of the stratum -1: they widen the pool of everything alone.
            nobody = np.full(len(shipped), -1, np.int8)
            repeated = [np.concatenate((one, nobody)) for one in repeated]
        return Nulls(pool, repeated, least_scale=_LEAST_SCALE)


def judge(history: History) -> Judged:
    """Score each series' days from the first day to judge on."""
    return score(history, Shown.of(history))


def score(days: Judging, shown: Shown, told: Told | None = None) -> Judged:
    """Score what days show against what all series' days do.

    Args:
        told: where these are not all series.
    """
    first, width = days.first_day, days.axis.days - days.first_day
    scores = np.zeros((LOOKS, len(shown.young), width))
    shifts = told.shifts if told else np.zeros(width)
    judged = Judged(days, shown, scores, shifts, {}, told)
    for day in range(first, days.axis.days):
        column, pools = day - first, {window: judged.nulls(window, day) for window in WINDOWS}
        if not told:
            shifts[column] = _shift(judged, pools, day)
        for place, window in enumerate(WINDOWS):
            own, nulls = shown.own[window], pools[window]
            found = nulls.surprise(own.held[:, day - own.first], judged.strata(day))
            scores[place, :, column] = moved(found, shifts[column])
            if isinstance(nulls, Nulls):
                judged.tails[window, day] = nulls.tails()
    return judged


def _shift(judged: Judged, pools: Mapping[int, ByStratum], day: int) -> float:
    """What brings the scores of a day to what they promise.

    A union bound over windows that overlap, and looks without calls enough to page, make alarms
    rarer than p says. How much, the days of the pool tell: the score that one series-day in a
    hundred reaches is moved to where one in a hundred is promised. 0 where there are too few days.
    """
    strata = [np.repeat(one, POOL_DAYS) for one in judged.strata(day)]
    best = np.zeros(len(strata[0]))
    for window, own in judged.shown.own.items():
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


def _stratum(history: History, day: int) -> Strata:
    """(series,) the fine stratum of a day: four times its rate, and its burstiness."""
    start = day - HISTORY_DAYS
    most = history.peak("most", WINDOWS.index(15), start)[:, :HISTORY_DAYS].max(axis=1)
    burst = np.digitize(most, (8, 30, 120))
    rate = np.clip(np.floor(np.log10(history.levels(day) + 0.1)), -1, 3) + 1
    found: Strata = (rate * len(BURSTS) + burst).astype(np.int8)
    return found


def _strata(fine: Strata) -> tuple[Strata, Strata]:
    """The fine stratum and the coarse one, which is its burstiness."""
    return fine, fine % len(BURSTS)


def find(judged: Judged, theta: Floats | float) -> list[Surge]:
    """Find the surges that fire on the days that were judged.

    Args:
        judged: of a history.
        theta: the score that fires, of all days or of each.
    """
    history = _history(judged)
    chosen = np.flatnonzero(judged.over(theta))
    if not len(chosen):
        return []
    part = history.of(chosen)
    found = look(judged, chosen, part)
    needed = np.asarray(theta, np.float64) + judged.margin[chosen]
    fires = firing(found, needed, history.first_day)
    surges: list[Surge] = []
    most = np.stack(
        [part.peak("most", place, history.first_day - HISTORY_DAYS) for place in range(LOOKS)]
    )
    for number in np.unique(found.series[fires.any(axis=0)]).tolist():
        entries = np.flatnonzero(found.series == number)
        spans = Spans(part, found, fires, entries, most[:, number].astype(np.int64))
        surges += spans.surges(int(chosen[number]))
    return surges


def _history(judged: Judged) -> History:
    """Where the minutes of the series are."""
    if not isinstance(judged.days, History):
        raise TypeError("the minutes of these series are elsewhere")
    return judged.days


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
    own = {place: of_window(part, place) for place in range(LOOKS)}
    for place, (window, seen) in enumerate(seen_by_window):
        column = day - own[place].first
        y = np.round(seen.y, 9)
        u = deviation(y, own[place].record[who, column], own[place].scale[who, column])
        u[np.isnan(own[place].u[who, column])] = np.nan
        scores = np.zeros(len(entries))
        for today in np.unique(day).tolist():
            at = np.flatnonzero(day == today)
            strata = [one[chosen[who[at]]] for one in judged.strata(today)]
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
