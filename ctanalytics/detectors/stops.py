"""Stops: a series that never paused for long has gone silent.

Every formula is explained in docs/detection.md; names here are the ones used there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ctanalytics.detectors.calibration import MIN_POOL, default_pool, surprise
from ctanalytics.detectors.history import History
from ctanalytics.detectors.series import DAY, HISTORY_DAYS, POOL_DAYS, Bools, Floats, Ints

LOOKS: Final = 1
_PSEUDO_MINUTES: Final = 30.0
_LEAST_DAYS: Final = 14
_LEAST_RATIO: Final = 2.0
_LEAST_MINUTES: Final = 60
_CUT: Final = 3.0
_TOGETHER: Final = 0.3
_LEAST_TOGETHER: Final = 3
_LOOK_MINUTES: Final = 10


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


@dataclass(frozen=True, slots=True)
class Gap:
    """Series of one account and region that went silent together: logs may be missing."""

    stops: list[Stop]
    eligible: int


@dataclass(frozen=True)
class Silences:
    """(series, days) each: silences in minutes, and what was usual before."""

    seen: Floats
    """The longest silence that a day saw, whole if it began earlier; NaN before the first call."""
    began: Ints
    ended: Floats
    """The longest that ended on a day; NaN without a call."""
    longest: Floats
    """The longest that ended in the 28 days before, cut at what the others make believable."""
    is_old: Bools
    """Whether there are calls on 14 days before."""

    @property
    def eligible(self) -> Bools:
        """Whether a day is judged: there is history, and no silence of a whole day in it."""
        found: Bools = self.is_old & (self.longest < DAY) & np.isfinite(self.seen)
        return found

    @property
    def y(self) -> Floats:
        """The deviations; NaN where a day is not judged."""
        return np.where(self.eligible, _deviation(self.seen, self.longest), np.nan)

    @property
    def normal(self) -> Floats:
        """The deviations of silences that ended: what was normal, each silence once; NaN where a day
        is not judged."""
        return np.where(self.eligible, _deviation(self.ended, self.longest), np.nan)


def _deviation(silence: Floats, longest: Floats) -> Floats:
    found: Floats = np.log((silence + _PSEUDO_MINUTES) / (longest + _PSEUDO_MINUTES))
    return found


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
    return Silences(seen, began, known, _longest(known), _is_old(called))


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


def _is_old(called: Bools) -> Bools:
    """(series, days) whether there are calls on 14 of the 28 days before: fewer are no habit."""
    count, days = called.shape
    running = np.zeros((count, days + 1), np.int64)
    np.cumsum(called, axis=1, out=running[:, 1:])
    day = np.arange(days)
    found: Bools = running[:, day] - running[:, np.maximum(day - HISTORY_DAYS, 0)] >= _LEAST_DAYS
    return found


def find(history: History, theta: Floats | float, known: Silences | None = None) -> list[Stop]:
    """Find the silences that fire on the days to judge.

    A series is eligible after 14 days with calls and no silence of a whole day in four weeks.

    Args:
        theta: the score that fires, of all days or of each.
        known: its silences, where they are at hand.
    """
    if not history.count:
        return []
    known, first_day = known or silences(history), history.first_day
    y, normal = known.y, known.normal
    next_call = _next_calls(history)
    width = history.axis.days - first_day
    thetas = np.broadcast_to(np.asarray(theta, np.float64), (width,))
    stops: dict[tuple[int, int], Stop] = {}
    for today in range(first_day, history.axis.days):
        chosen = np.flatnonzero(known.eligible[:, today])
        scores = surprise(y[chosen, today], _pool(normal, today))
        seen, usual = known.seen[chosen, today], known.longest[chosen, today]
        fires = scores >= thetas[today - first_day]
        fires &= (seen >= _LEAST_RATIO * usual) & (seen >= _LEAST_MINUTES)
        for number, score in zip(chosen[fires].tolist(), scores[fires].tolist(), strict=True):
            start = int(known.began[number, today])
            end = start + int(known.seen[number, today])
            is_open = False
            if end >= min((today + 1) * DAY, history.end_minute):
                end = int(next_call[number, today])
                is_open = end >= history.end_minute
            longest = int(known.longest[number, today])
            least = max(_LEAST_RATIO * longest, _LEAST_MINUTES)
            fired = max(start + int(least), today * DAY)
            found = Stop(number, start, end, fired, is_open, round(score, 6), longest)
            earlier = stops.get((number, start))
            if earlier is None:
                stops[number, start] = found
            elif found.score > earlier.score:
                # What was usual, and when it was too long, is told as of the day it began.
                stops[number, start] = replace(found, longest=earlier.longest, fired=earlier.fired)
    return [stops[key] for key in sorted(stops)]


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
    """Score the silence of every eligible series every ten minutes, as a live run would.

    The guards of `find` hold here too: what they refuse is left out.
    """
    known, first_day = silences(history), history.first_day
    normal = known.normal
    minutes = history.minutes(first_day - 2, history.axis.days)
    step = np.arange(_LOOK_MINUTES - 1, DAY, _LOOK_MINUTES)
    found: list[tuple[Ints, Ints, Floats]] = []
    for today in range(first_day, history.axis.days):
        chosen = np.flatnonzero(known.eligible[:, today])
        who = np.repeat(chosen, len(step))
        minute = np.tile(step + today * DAY, len(chosen))
        gap = (minute - minutes.last_call(who, minute)).astype(np.float64)
        usual = known.longest[who, today]
        scores = surprise(_deviation(gap, usual), _pool(normal, today))
        held = (gap >= _LEAST_RATIO * usual) & (gap >= _LEAST_MINUTES)
        kept = held & (scores > 0) & (minute < history.end_minute)
        found.append((who[kept], minute[kept], scores[kept]))
    whos, at, score = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((at, whos))
    return Looks(whos[order], at[order], score[order])


def _pool(normal: Floats, today: int) -> Floats:
    pool = normal[:, max(0, today - POOL_DAYS) : today].ravel()
    if np.isfinite(pool).sum() < MIN_POOL:
        pool = np.concatenate((pool, default_pool("stop")))
    return pool


def together(history: History, stops: list[Stop], known: Silences) -> tuple[list[Stop], list[Gap]]:
    """Take out the stops in which much of an account and region went silent at once."""
    if len(stops) < _LEAST_TOGETHER:
        return stops, []
    eligible = np.logical_or.reduce(known.eligible[:, history.first_day :], axis=1)
    place = history.keys.frame.select("account_id", "aws_region").rows()
    groups: dict[tuple[str, str], list[Stop]] = {}
    for stop in stops:
        groups.setdefault(place[stop.series], []).append(stop)
    alone: list[Stop] = []
    gaps: list[Gap] = []
    for key, members in sorted(groups.items(), key=lambda item: str(item[0])):
        could = sum(
            1 for number in range(history.count) if place[number] == key and eligible[number]
        )
        for cluster in _overlapping(members):
            if len(cluster) >= _LEAST_TOGETHER and len(cluster) > _TOGETHER * could:
                gaps.append(Gap(cluster, could))
            else:
                alone += cluster
    return sorted(alone, key=lambda stop: (stop.series, stop.start)), gaps


def _overlapping(stops: list[Stop]) -> list[list[Stop]]:
    clusters: list[list[Stop]] = []
    end = -1
    for stop in sorted(stops, key=lambda stop: (stop.start, stop.series)):
        if stop.start < end:
            clusters[-1].append(stop)
        else:
            clusters.append([stop])
        end = max(end, stop.end)
    return clusters
