"""Drops: a series that never pauses runs far below its expectation, and below its own lows.

Every formula is explained in docs/detection.md; names here are the ones used there. As with surges,
a day is judged by its largest deviation, and minutes are looked at only where that is too large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ctanalytics.detectors import stops
from ctanalytics.detectors.calibration import MIN_POOL, Null, Surprising, default_pool, null
from ctanalytics.detectors.expectation import Expected
from ctanalytics.detectors.history import PEAK_DAYS, History
from ctanalytics.detectors.peaks import STEP, drop_looks, drop_minutes
from ctanalytics.detectors.series import (
    DAY,
    DROP_WINDOWS,
    HISTORY_DAYS,
    POOL_DAYS,
    Bools,
    Floats,
    Ints,
    Minutes,
)
from ctanalytics.detectors.stops import Silences

WINDOWS: Final = DROP_WINDOWS
LOOKS: Final = len(WINDOWS)
_LONGEST_SILENCE: Final = {60: 180, 360: 360}
_LEAST_SPREAD: Final = 0.1
_MOST_RATIO: Final = 0.5
_MERGE_MINUTES: Final = 60
_LEAST_HISTORY: Final = 7


@dataclass(frozen=True, slots=True)
class Drop:
    """A span in which a series makes too few calls. Minutes count from the axis' start."""

    series: int
    start: int
    end: int
    """Exclusive; for a drop that goes on, where the logs end."""
    fired: int
    """The minute at which it was an alarm."""
    is_open: bool
    score: float
    window: int
    """The shortest window that fires."""
    calls: int
    """The fewest calls in that window, against `expected`."""
    expected: float


@dataclass(frozen=True)
class Looks:
    """Scores of some minutes in one window, by series, then minute; the guards hold in all."""

    window: int
    series: Ints
    minute: Ints
    score: Floats
    calls: Ints
    expected: Floats


@dataclass(frozen=True)
class Shown:
    """What the days of some series show in one window, by themselves; of several parts put together
    it is that of all their series. Days count from `first`."""

    window: int
    first: int
    """POOL_DAYS before the first that is judged."""
    u: Floats
    """(series, days) the day's largest; NaN where a series is not steady."""
    normal: Floats
    """The same of days that teach what is normal; NaN on others."""

    def null(self, day: int) -> Null:
        """Return what a day is judged by."""
        column = day - self.first
        pool = self.normal[:, column - POOL_DAYS : column].ravel()
        if np.isfinite(pool).sum() < MIN_POOL:
            pool = np.concatenate((pool, default_pool(f"drop_{self.window}")))
        return null(pool)


@dataclass(frozen=True)
class Own(Shown):
    """One window's daily deviations against each series' own."""

    steady: Bools
    """(series, days) whether the series pauses so rarely that a drop tells something."""
    middle: Floats
    scale: Floats


Nulls = Callable[[int, int], Surprising]
"""By the window's place and day, what drops are judged by."""


def look(history: History) -> list[Looks]:
    """Score every tenth minute of the days to judge of the steady series, window by window."""
    chosen = np.arange(history.count)
    own = owns(history, stops.silences(history))
    return list(_looks(history, chosen, history, own, nulls_of(own)))


def owns(history: History, known: Silences) -> list[Own]:
    """Compare the days of the pool and of the window with each series' own, window by window."""
    return [_own(history, known, place) for place in range(LOOKS)]


def nulls_of(own: Sequence[Shown]) -> Nulls:
    """Return what days are judged by when these are all series."""
    return lambda place, day: own[place].null(day)


def judged(history: History, own: list[Own]) -> Ints:
    """Return how many looks each day to judge has: series that are steady enough, by window."""
    found: Ints = sum(
        (np.isfinite(one.u[:, history.first_day - one.first :]).sum(axis=0) for one in own),
        start=np.zeros(history.axis.days - history.first_day, np.int64),
    )
    return found


def daily(history: History, place: int) -> Floats:
    """(series, days) the largest u of each day of the pool and the window; NaN where a series is not
    steady enough."""
    return _own(history, stops.silences(history), place).normal


def find(
    history: History,
    theta: Floats | float,
    own: list[Own] | None = None,
    nulls: Nulls | None = None,
) -> list[Drop]:
    """Find the drops that fire on the days to judge.

    A series is steady enough after 14 days of history whose longest silence is 3 hours (for the
    window of an hour) or 6 hours.

    Args:
        theta: the score that fires, of all days or of each.
        own: what `owns` returns, where it is at hand.
        nulls: what days are judged by, where these are not all series.
    """
    width = history.axis.days - history.first_day
    thetas = np.broadcast_to(np.asarray(theta, np.float64), (width,))
    own = own or owns(history, stops.silences(history))
    nulls = nulls or nulls_of(own)
    chosen = np.flatnonzero(over(own, nulls, thetas, history.first_day))
    if not len(chosen):
        return []
    part = history.of(chosen)
    near = _Near(part.minutes(part.first_day - 2, part.axis.days), _season(part))
    found: list[Drop] = []
    covered: dict[int, list[tuple[int, int]]] = {}
    # The shortest window first: it tells the beginning and the end best.
    for looks in _looks(history, chosen, part, own, nulls):
        for fired in _spans(looks, thetas, history.first_day):
            drop = near.followed(fired, part.end_minute)
            spans = covered.setdefault(drop.series, [])
            if not any(drop.start < end and start < drop.end for start, end in spans):
                spans.append((drop.start, drop.end))
                found.append(replace(drop, series=int(chosen[drop.series])))
    return sorted(found, key=lambda drop: (drop.series, drop.start))


def over(own: Sequence[Shown], nulls: Nulls, thetas: Floats, first_day: int) -> Bools:
    """(series,) whether the largest deviation of a day fires.

    Args:
        thetas: the score that does, of each day to judge.
    """
    fires = np.zeros(len(own[0].u), np.bool_)
    for place, one in enumerate(own):
        for step, theta in enumerate(thetas.tolist()):
            day = first_day + step
            fires |= nulls(place, day).surprise(one.u[:, day - one.first]) >= theta
    return fires


def _own(history: History, known: Silences, place: int) -> Own:
    start = history.first_day - PEAK_DAYS
    longest = known.longest < _LONGEST_SILENCE[WINDOWS[place]]
    steady = (longest & known.eligible & ~history.masked)[:, start:]
    y = history.peak("drop", place, start)
    lowest = np.where(steady & np.isfinite(y), y, np.nan)
    unlearned = history.unlearned[:, start:]
    middle, scale = _history(np.where(unlearned, np.nan, lowest))
    u = (lowest[:, HISTORY_DAYS:] - middle) / scale
    normal = np.where(unlearned[:, HISTORY_DAYS:], np.nan, u)
    first = start + HISTORY_DAYS
    return Own(WINDOWS[place], first, u, normal, steady[:, HISTORY_DAYS:], middle, scale)


def _history(lowest: Floats) -> tuple[Floats, Floats]:
    """(series, days from the 28th on) the mean of the 28 daily maxima of y before a day, and the
    scale; NaN with few."""
    width = lowest.shape[1] - HISTORY_DAYS
    past = [lowest[:, age : age + width] for age in range(HISTORY_DAYS)]
    count, total = (np.zeros(past[0].shape) for _ in range(2))
    for values in past:
        known = np.isfinite(values)
        count += known
        total += np.where(known, values, 0.0)
    middle = total / np.maximum(count, 1)
    square = np.zeros_like(total)
    for values in past:
        square += np.where(np.isfinite(values), (values - middle) ** 2, 0.0)
    spread = np.sqrt(square / np.maximum(count, 1))
    return np.where(count >= _LEAST_HISTORY, middle, np.nan), spread + _LEAST_SPREAD


def _season(history: History) -> Expected:
    return history.expected(history.first_day - 1, history.axis.days)


def _looks(
    history: History, chosen: Ints, part: History, own: list[Own], nulls: Nulls
) -> Iterator[Looks]:
    """Score every tenth minute of some series, window by window.

    Args:
        part: the history of the chosen series alone.
    """
    first, days = history.first_day, history.axis.days
    minutes, expected = part.minutes(first - 2, days), _season(part)
    for place, window in enumerate(WINDOWS):
        known = own[place]
        kept: list[tuple[Ints, Ints, Floats, Ints, Floats]] = []
        for day in range(first, days):
            column = day - known.first
            spots = drop_minutes(day, part.end_minute)
            steady = np.flatnonzero(known.steady[chosen, column])
            who, minute = np.repeat(steady, len(spots)), np.tile(spots, len(steady))
            calls, least, y = drop_looks(minutes, expected, who, minute, window)
            middle, scale = (part[chosen[who], column] for part in (known.middle, known.scale))
            scores = nulls(place, day).surprise((np.round(y, 9) - middle) / scale)
            held = (scores > 0) & (calls <= _MOST_RATIO * least)
            kept.append((who[held], minute[held], scores[held], calls[held], least[held]))
        columns = [np.concatenate(column) for column in zip(*kept, strict=True)]
        order = np.lexsort((columns[1], columns[0]))
        whos, at, score, calls, least = (column[order] for column in columns)
        yield Looks(window, whos, at, score, calls, least)


@dataclass(frozen=True)
class _Near:
    """The minutes and the season around drops."""

    minutes: Minutes
    season: Expected

    def followed(self, drop: Drop, end_minute: int) -> Drop:
        """Follow a drop to its end: what was usual just before it soon is the drop itself, so that
        from the first alarm on the season alone tells, for a day at the most."""
        minute = np.arange(drop.end - 1, min(drop.start + DAY, end_minute), STEP)
        who = np.full(len(minute), drop.series)
        calls = self.minutes.calls_in(who, minute - drop.window, minute)
        low = calls <= _MOST_RATIO * self.season.within(who, minute, drop.window)
        through = int(np.argmin(low)) if not low.all() else len(low)
        end = max(int(minute[max(through - 1, 0)]) + 1, drop.end) if len(minute) else drop.end
        return replace(drop, end=end, is_open=end_minute - end <= STEP)


def _spans(looks: Looks, thetas: Floats, first_day: int) -> Iterator[Drop]:
    fires = np.flatnonzero(looks.score >= thetas[looks.minute // DAY - first_day])
    if not len(fires):
        return
    who, minute = looks.series[fires], looks.minute[fires]
    cuts = np.flatnonzero((np.diff(who) != 0) | (np.diff(minute) > _MERGE_MINUTES)) + 1
    for span in np.split(fires, cuts):
        worst = span[np.argmax(looks.score[span])]
        end = int(looks.minute[span[-1]]) + 1
        yield Drop(
            series=int(looks.series[worst]),
            start=int(looks.minute[span[0]]) + 1 - looks.window,
            end=end,
            fired=int(looks.minute[span[0]]),
            is_open=False,
            score=round(float(looks.score[worst]), 6),
            window=looks.window,
            calls=int(looks.calls[worst]),
            expected=round(float(looks.expected[worst]), 6),
        )
