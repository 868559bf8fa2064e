"""Stops: a series that never paused for long has gone silent.

Every formula is explained in docs/detection.md; names here are the ones used there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ctanalytics.detectors.calibration import MIN_POOL, Null, Surprising, default_pool, null
from ctanalytics.detectors.expectation import Expected
from ctanalytics.detectors.history import History
from ctanalytics.detectors.series import DAY, HISTORY_DAYS, POOL_DAYS, Bools, Floats, Ints

_PSEUDO_MINUTES: Final = 5.0
_PSEUDO_CALLS: Final = 0.1
_KNOWN_POWER: Final = 3
_LEAST_DAYS: Final = 14
_LEAST_MINUTES: Final = 30
_CUT: Final = 3.0
_LOOK_MINUTES: Final = 5


@dataclass(frozen=True, slots=True)
class Stop:
    """A silence of one series. Minutes count from the axis' start."""

    series: int
    start: int
    """The minute after the last call."""
    end: int
    """The minute of the next call; where the logs end while there is none."""
    fired: int
    """The minute from which on it was an alarm, at the earliest."""
    is_open: bool
    score: float
    longest: int
    """The longest silence of the 28 days before, minutes."""


@dataclass(frozen=True)
class Silences:
    """(series, days) each: silences in minutes, and what was usual before."""

    seen: Floats
    """The longest silence that a day saw, whole if it began earlier; NaN before the first call."""
    began: Ints
    ended: Floats
    """The longest that ended on a day; NaN without a call."""
    ended_at: Ints
    """The minute of the call that ended it."""
    longest: Floats
    """The longest that ended in the 28 days before, cut at what the others make believable."""
    is_old: Bools
    """Whether there are calls on 14 days before."""
    busy: Ints
    """The hours with a call of the 28 days before: by so many the longest silence is known."""

    @property
    def eligible(self) -> Bools:
        """Whether a day is judged: there is history, and no silence of a whole day in it."""
        found: Bools = self.is_old & (self.longest < DAY) & np.isfinite(self.seen)
        return found


def judged(history: History, known: Silences) -> Ints:
    """Return how many looks each day to judge has: eligible series."""
    found: Ints = known.eligible[:, history.first_day :].sum(axis=0)
    return found


def _deviation(silence: Floats, longest: Floats, busy: Ints) -> Floats:
    ratio = np.log((silence + _PSEUDO_MINUTES) / (longest + _PSEUDO_MINUTES))
    found: Floats = ratio * np.log(2.0 + busy) ** _KNOWN_POWER
    return found


@dataclass(frozen=True)
class _Season:
    """What silences weigh, by when they were. Only series with one beyond its longest are here."""

    expected: Expected
    place: Ints
    """(series,) its place among those that are here."""

    @classmethod
    def of(cls, history: History, known: Silences) -> _Season:
        first = history.first_day - POOL_DAYS
        beyond = known.eligible & (np.fmax(known.seen, known.ended) > known.longest)
        chosen = np.flatnonzero(beyond[:, first:].any(axis=1))
        place = np.full(history.count, -1)
        place[chosen] = np.arange(len(chosen))
        return cls(history.of(chosen).expected(first - 1, history.axis.days), place)

    def weighed(self, series: Ints, after: Ints, silence: Floats) -> Floats:
        """Weigh silences by the calls that were to be expected in them, against a day's: a night of
        which nothing is expected is short, and none is longer than it was.

        Args:
            after: the minute after each silence.
        """
        who, length = self.place[series], np.minimum(silence, DAY).astype(np.int64)
        through = self.expected.through(who, after - 1)
        missed = through - self.expected.through(who, after - 1 - length)
        usual = (through - self.expected.through(who, after - 1 - DAY)) * (length / DAY)
        found: Floats = silence * np.minimum((missed + _PSEUDO_CALLS) / (usual + _PSEUDO_CALLS), 1)
        return found


@dataclass(frozen=True)
class Shown:
    """What the days of some series show by themselves; of several parts put together it is that of
    all their series."""

    first: int
    """The day of the first column of `normal`: that of the pool of the first day to judge."""
    normal: Floats
    """(series, days) the deviation of the longest silence that ended on a day, NaN where it is not
    judged."""
    seen: Floats
    """(series, days to judge) that of the longest that a day saw, NaN where it can't be an alarm."""

    def null(self, day: int) -> Null:
        """Return what the silences of a day are judged by."""
        return null(_pool(self.normal, day - self.first))


Nulls = Callable[[int], Surprising]
"""By day, what its silences are judged by."""


@dataclass(frozen=True)
class Scale:
    """The deviations of silences, and those that are normal."""

    known: Silences
    season: _Season
    normal: Floats
    """(series, days) of the longest that ended on each day, NaN where a day is not judged; the days
    of the pool alone are weighed."""

    @classmethod
    def of(cls, history: History, known: Silences) -> Scale:
        """Weigh the silences of a history."""
        season, ended = _Season.of(history, known), known.ended.copy()
        with np.errstate(invalid="ignore"):
            beyond = known.eligible & (ended > known.longest)
        beyond[:, : history.first_day - POOL_DAYS] = False
        who, day = np.nonzero(beyond)
        ended[who, day] = season.weighed(who, known.ended_at[who, day], ended[who, day])
        y = _deviation(ended, known.longest, known.busy)
        return cls(known, season, np.where(known.eligible, y, np.nan))

    def deviations(self, series: Ints, after: Ints, silence: Floats, day: int) -> Floats:
        """Return y of silences of a day beyond the longest before; of shorter ones, and of under half
        an hour, NaN."""
        longest, found = self.known.longest[series, day], np.full(len(series), np.nan)
        at = np.flatnonzero((silence > longest) & (silence >= _LEAST_MINUTES))
        weighed = self.season.weighed(series[at], after[at], silence[at])
        found[at] = _deviation(weighed, longest[at], self.known.busy[series[at], day])
        return found

    def seen(self, day: int) -> tuple[Ints, Floats]:
        """Return the series that are judged on a day, and y of the longest silence that it saw."""
        chosen = np.flatnonzero(self.known.eligible[:, day])
        length = self.known.seen[chosen, day]
        after = self.known.began[chosen, day] + length.astype(np.int64)
        return chosen, self.deviations(chosen, after, length, day)

    def nulls(self) -> Nulls:
        """Return what days are judged by when these are all series."""
        return Shown(0, self.normal, self.normal[:, :0]).null

    def shown(self, first_day: int) -> Shown:
        """Return what the days from the first to judge on show."""
        days = self.normal.shape[1]
        seen = np.full((len(self.normal), days - first_day), np.nan)
        for day in range(first_day, days):
            chosen, y = self.seen(day)
            seen[chosen, day - first_day] = y
        first = max(first_day - POOL_DAYS, 0)
        return Shown(first, self.normal[:, first:], seen)


def daily(history: History) -> Floats:
    """(series, days of the pool and on) the deviations of silences that ended: what is normal, each
    silence once; NaN where a day is not judged."""
    found = Scale.of(history, silences(history)).normal
    return found[:, history.first_day - POOL_DAYS :]


def silences(history: History) -> Silences:
    """Take the silences of all days."""
    days = np.arange(history.axis.days) * DAY
    first, last = history.dense("first", -1), history.dense("last", -1)
    called = last >= 0
    latest = np.maximum.accumulate(np.where(called, last + days, -1), axis=1)
    before = np.concatenate((np.full((history.count, 1), -1), latest[:, :-1]), axis=1)
    across = np.where(called & (before >= 0), first + days - before - 1, 0)
    gap, gap_at = history.dense("gap", 0), history.dense("gap_at", 0)
    ended = np.maximum(gap, across)
    ended_at = np.where(gap >= across, gap_at + gap, first) + days
    # A call at midnight ends a silence that the day before has seen whole.
    across[first == 0] = 0
    inner = np.maximum(gap, across)
    inner_at = np.where(gap >= across, gap_at + days, before + 1)
    ends = np.minimum(days + DAY, history.end_minute)
    still = np.where(latest >= 0, np.maximum(ends - latest - 1, 0), 0)
    seen = np.maximum(inner, still).astype(np.float64)
    began = np.where(inner > still, inner_at, latest + 1)
    seen[latest < 0] = np.nan
    known = np.where(called & ~history.unlearned, ended.astype(np.float64), np.nan)
    hours = np.zeros_like(gap)
    for day, rows in history.past.days.items():
        hours[rows.series, day] = np.count_nonzero(rows.hours, axis=1)
    is_old = _before(called) >= _LEAST_DAYS
    return Silences(seen, began, known, ended_at, _longest(known), is_old, _before(hours))


def _longest(ended: Floats) -> Floats:
    """(series, days) the longest of the 28 days before; the second longest bounds it, so that one
    stop does not hide the next."""
    count, days = ended.shape
    known = np.where(np.isfinite(ended), ended, 0.0)
    padded = np.concatenate((np.zeros((count, HISTORY_DAYS)), known), axis=1)
    most, second = np.zeros((count, days)), np.zeros((count, days))
    for age in range(HISTORY_DAYS):
        values = padded[:, age : age + days]
        second = np.maximum(second, np.minimum(values, most))
        most = np.maximum(most, values)
    return np.minimum(most, _CUT * second + _PSEUDO_MINUTES)


def _before(values: Ints | Bools) -> Ints:
    """(series, days) the sum of the 28 days before."""
    count, days = values.shape
    running = np.zeros((count, days + 1), np.int64)
    np.cumsum(values, axis=1, out=running[:, 1:])
    day = np.arange(days)
    found: Ints = running[:, day] - running[:, np.maximum(day - HISTORY_DAYS, 0)]
    return found


def find(
    history: History,
    theta: Floats | float,
    scale: Scale | None = None,
    nulls: Nulls | None = None,
) -> list[Stop]:
    """Find the silences that fire on the days to judge.

    A series is eligible after 14 days with calls and no silence of a whole day in four weeks.

    Args:
        theta: the score that fires, of all days or of each.
        scale: its silences, where they are at hand.
        nulls: what days are judged by, where these are not all series.
    """
    if not history.count:
        return []
    scale = scale or Scale.of(history, silences(history))
    nulls = nulls or scale.nulls()
    known, first_day, next_call = scale.known, history.first_day, _next_calls(history)
    width = history.axis.days - first_day
    thetas = np.broadcast_to(np.asarray(theta, np.float64), (width,))
    stops: dict[tuple[int, int], Stop] = {}
    for today in range(first_day, history.axis.days):
        chosen, y = scale.seen(today)
        theta_now, usual = float(thetas[today - first_day]), nulls(today)
        scores = usual.surprise(y)
        fires = (scores >= theta_now) & (scores > 0)
        for number, score in zip(chosen[fires].tolist(), scores[fires].tolist(), strict=True):
            start = int(known.began[number, today])
            end = start + int(known.seen[number, today])
            is_open = False
            if end >= min((today + 1) * DAY, history.end_minute):
                end = int(next_call[number, today])
                is_open = end >= history.end_minute
            longest = int(known.longest[number, today])
            fired = _fired(scale, usual, number, start, today, theta_now)
            found = Stop(number, start, end, fired, is_open, round(score, 6), longest)
            earlier = stops.get((number, start))
            if earlier is None:
                stops[number, start] = found
            elif found.score > earlier.score:
                # What was usual, and when it was too long, is told as of the day it began.
                stops[number, start] = replace(found, longest=earlier.longest, fired=earlier.fired)
    return [stops[key] for key in sorted(stops)]


def _fired(
    scale: Scale, usual: Surprising, number: int, start: int, today: int, theta: float
) -> int:
    """The first minute of a day at which a silence is an alarm."""
    longest = max(int(scale.known.longest[number, today]) + 1, _LEAST_MINUTES)
    first = max(start + longest, today * DAY)
    after = np.arange(first, start + int(scale.known.seen[number, today]) + 1)
    silence = (after - start).astype(np.float64)
    y = scale.deviations(np.full(len(after), number), after, silence, today)
    return int(after[np.argmax(usual.surprise(y) >= theta)])


def _next_calls(history: History) -> Ints:
    """(series, days) the first minute with a call after a day; where the logs end without one."""
    days = np.arange(history.axis.days) * DAY
    first = history.dense("first", -1)
    minute = np.where(first >= 0, first + days, history.end_minute)
    later = np.minimum.accumulate(minute[:, ::-1], axis=1)[:, ::-1]
    end = np.full((history.count, 1), history.end_minute)
    return np.concatenate((later[:, 1:], end), axis=1)


@dataclass(frozen=True)
class Looks:
    """Scores of silences as they grow, by series, then minute."""

    series: Ints
    minute: Ints
    score: Floats


def look(history: History) -> Looks:
    """Score the silence of every eligible series every five minutes, as a live run would."""
    scale, first_day = Scale.of(history, silences(history)), history.first_day
    known, nulls = scale.known, scale.nulls()
    minutes = history.minutes(first_day - 2, history.axis.days)
    step = np.arange(_LOOK_MINUTES - 1, DAY, _LOOK_MINUTES)
    found: list[tuple[Ints, Ints, Floats]] = []
    for today in range(first_day, history.axis.days):
        chosen = np.flatnonzero(known.eligible[:, today])
        who = np.repeat(chosen, len(step))
        minute = np.tile(step + today * DAY, len(chosen))
        gap = (minute - minutes.last_call(who, minute)).astype(np.float64)
        scores = nulls(today).surprise(scale.deviations(who, minute + 1, gap, today))
        kept = (scores > 0) & (minute < history.end_minute)
        found.append((who[kept], minute[kept], scores[kept]))
    whos, at, score = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((at, whos))
    return Looks(whos[order], at[order], score[order])


def _pool(normal: Floats, today: int) -> Floats:
    pool = normal[:, max(0, today - POOL_DAYS) : today].ravel()
    if np.isfinite(pool).sum() < MIN_POOL:
        pool = np.concatenate((pool, default_pool("stop")))
    return pool
