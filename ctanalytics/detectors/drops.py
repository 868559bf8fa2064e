"""Drops: a series that never pauses runs far below its expectation, and below its own lows.

Every formula is explained in docs/detection.md; names here are the ones used there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from ctanalytics.detectors import stops
from ctanalytics.detectors.calibration import MIN_POOL, default_pool, surprise
from ctanalytics.detectors.series import (
    DAY,
    HISTORY_DAYS,
    POOL_DAYS,
    WARM_DAYS,
    Expectation,
    Floats,
    Ints,
    Series,
)

WINDOWS: Final = (60, 360)
"""Minutes."""

LOOKS: Final = len(WINDOWS)
_LONGEST_SILENCE: Final = {60: 180, 360: 360}
_LOCAL: Final = {60: 120, 360: 720}
_PSEUDO: Final = 8.0
_LEAST_SPREAD: Final = 0.3
_LEAST_EXPECTED: Final = 10.0
_MOST_RATIO: Final = 0.5
_STEP: Final = 10
_MERGE_MINUTES: Final = 60
_LEAST_HISTORY: Final = 7


@dataclass(frozen=True, slots=True)
class Drop:
    """A span in which a series makes too few calls. Minutes count from the series' start."""

    series: int
    start: int
    end: int
    """Exclusive; for a drop that goes on, where the logs end."""
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
class _Day:
    """A day's looks at the series that are steady enough, before they are scored."""

    series: Ints
    minute: Ints
    calls: Ints
    expected: Floats
    y: Floats
    """NaN where too few calls are expected to tell."""


def look(
    series: Series,
    expectation: Expectation,
    masked: npt.NDArray[np.bool_],
    *,
    first_day: int,
    end_minute: int,
) -> list[Looks]:
    """Score every tenth minute of the steady series, window by window. Parameters as for `find`."""
    longest, old = stops.longest_silences(series, masked, end_minute)
    return [
        _sweep(series, expectation, masked, longest, old, window, first_day, end_minute)[0]
        for window in WINDOWS
    ]


def daily(
    series: Series,
    expectation: Expectation,
    masked: npt.NDArray[np.bool_],
    window: int,
    end_minute: int,
) -> Floats:
    """(series, days) the largest u of each day; NaN where a series is not steady enough."""
    longest, old = stops.longest_silences(series, masked, end_minute)
    return _sweep(series, expectation, masked, longest, old, window, series.days, end_minute)[1]


def find(
    series: Series,
    expectation: Expectation,
    masked: npt.NDArray[np.bool_],
    *,
    first_day: int,
    end_minute: int,
    theta: float,
) -> list[Drop]:
    """Find the drops that fire on or after a day.

    A series is steady enough after 14 days of history whose longest silence is 3 hours (for the
    window of an hour) or 6 hours.

    Args:
        masked: (series, days) days with holes in their logs: neither judged nor learned from.
        first_day: the first day to judge.
        end_minute: where the logs end.
        theta: the score (-log10 p) that fires.
    """
    if not series.count:
        return []
    found: list[Drop] = []
    covered: dict[int, list[tuple[int, int]]] = {}
    # The shortest window first: it tells the beginning and the end best.
    for looks in look(series, expectation, masked, first_day=first_day, end_minute=end_minute):
        for fired in _spans(looks, theta):
            drop = _followed(fired, series, expectation, end_minute)
            spans = covered.setdefault(drop.series, [])
            if not any(drop.start < end and start < drop.end for start, end in spans):
                spans.append((drop.start, drop.end))
                found.append(drop)
    return sorted(found, key=lambda drop: (drop.series, drop.start))


def _sweep(
    series: Series,
    expectation: Expectation,
    masked: npt.NDArray[np.bool_],
    longest: Floats,
    old: npt.NDArray[np.bool_],
    window: int,
    first_day: int,
    end_minute: int,
) -> tuple[Looks, Floats]:
    """Scores from `first_day` on, and the daily maxima of u of all days."""
    steady = old & (longest < _LONGEST_SILENCE[window]) & ~masked
    lowest = np.full(masked.shape, np.nan)  # Y, and u of it
    daily_u = np.full(masked.shape, np.nan)
    kept: list[Looks] = []
    for day in range(WARM_DAYS, series.days):
        today = _day(series, expectation, steady, window, day, end_minute)
        if not len(today.series):
            continue
        middle, scale = _history(lowest, day)
        u = (today.y - middle[today.series]) / scale[today.series]
        known = np.isfinite(today.y)
        np.fmax.at(lowest[:, day], today.series[known], today.y[known])
        with_u = np.isfinite(u)
        np.fmax.at(daily_u[:, day], today.series[with_u], u[with_u])
        if day >= first_day:
            scores = surprise(u, _pool(daily_u, window, day))
            held = (scores > 0) & (today.calls <= _MOST_RATIO * today.expected)
            kept.append(
                Looks(
                    window,
                    today.series[held],
                    today.minute[held],
                    scores[held],
                    today.calls[held],
                    today.expected[held],
                )
            )
    return _joined(window, kept), daily_u


def _pool(daily_u: Floats, window: int, day: int) -> Floats:
    pool = daily_u[:, max(0, day - POOL_DAYS) : day].ravel()
    if np.isfinite(pool).sum() < MIN_POOL:
        pool = np.concatenate((pool, default_pool(f"drop_{window}")))
    return pool


def _joined(window: int, kept: list[Looks]) -> Looks:
    if not kept:
        nothing = np.zeros(0, np.int64)
        return Looks(window, nothing, nothing, np.zeros(0), nothing, np.zeros(0))
    who, minute, score, calls, expected = (
        np.concatenate([getattr(looks, name) for looks in kept])
        for name in ("series", "minute", "score", "calls", "expected")
    )
    order = np.lexsort((minute, who))
    return Looks(window, who[order], minute[order], score[order], calls[order], expected[order])


def _day(
    series: Series,
    expectation: Expectation,
    steady: npt.NDArray[np.bool_],
    window: int,
    day: int,
    end_minute: int,
) -> _Day:
    minutes = np.arange(day * DAY + _STEP - 1, min((day + 1) * DAY, end_minute), _STEP)
    chosen = np.flatnonzero(steady[:, day])
    who, minute = np.repeat(chosen, len(minutes)), np.tile(minutes, len(chosen))
    span = _LOCAL[window]
    calls = series.calls_in(who, minute - window, minute)
    before = series.calls_in(who, minute - window - span, minute - window)
    expected = np.minimum(expectation.within(who, minute, window), before * (window / span))
    y = np.round(np.log((expected + _PSEUDO) / (calls + _PSEUDO)), 9)
    return _Day(who, minute, calls, expected, np.where(expected > _LEAST_EXPECTED, y, np.nan))


def _history(lowest: Floats, day: int) -> tuple[Floats, Floats]:
    """(series,) the mean of the 28 daily maxima of y before a day, and the scale; NaN with few."""
    past = lowest[:, max(0, day - HISTORY_DAYS) : day]
    known = np.isfinite(past)
    count = known.sum(axis=1)
    middle = np.where(known, past, 0.0).sum(axis=1) / np.maximum(count, 1)
    square = np.where(known, (past - middle[:, None]) ** 2, 0.0).sum(axis=1)
    spread = np.sqrt(square / np.maximum(count, 1))
    return np.where(count >= _LEAST_HISTORY, middle, np.nan), spread + _LEAST_SPREAD


def _followed(drop: Drop, series: Series, expectation: Expectation, end_minute: int) -> Drop:
    """Follow a drop to its end: what was usual just before it soon is the drop itself, so that from
    the first alarm on the season alone tells, for a day at the most."""
    minute = np.arange(drop.end - 1, min(drop.start + DAY, end_minute), _STEP)
    who = np.full(len(minute), drop.series)
    calls = series.calls_in(who, minute - drop.window, minute)
    low = calls <= _MOST_RATIO * expectation.within(who, minute, drop.window)
    through = int(np.argmin(low)) if not low.all() else len(low)
    end = max(int(minute[max(through - 1, 0)]) + 1, drop.end)
    return replace(drop, end=end, is_open=end_minute - end <= _STEP)


def _spans(looks: Looks, theta: float) -> Iterator[Drop]:
    fires = np.flatnonzero(looks.score >= theta)
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
            is_open=False,
            score=round(float(looks.score[worst]), 6),
            window=looks.window,
            calls=int(looks.calls[worst]),
            expected=round(float(looks.expected[worst]), 6),
        )
