"""Surges: a series runs above its expectation and above its own record, in five windows at once.

Every formula is explained in docs/detection.md; names here are the ones used there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from ctanalytics.detectors.calibration import MIN_POOL, default_pool, surprise_by_stratum
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

WINDOWS: Final = (5, 15, 60, 360, 1_440)
"""Minutes."""

LOOKS: Final = len(WINDOWS)
_LOCAL: Final = {5: 120, 15: 120, 60: 120, 360: 720, 1_440: 1_440}
_PSEUDO: Final = 8.0
_LEAST_SPREAD: Final = 0.3
_LEAST_CALLS: Final = 10
_LEAST_RATIO: Final = 2.0
_PROVISIONAL_DAYS: Final = 14
_PROVISIONAL_MARGIN: Final = 0.5
_QUIET_MINUTES: Final = 30
_REOPEN_MINUTES: Final = 60
_LONGEST_MINUTES: Final = DAY
_ONSET_RATIO: Final = 1.5
_END_WINDOW: Final = 15


@dataclass(frozen=True, slots=True)
class Surge:
    """A span of one series that is too busy. Minutes count from the series' start."""

    series: int
    start: int
    end: int
    """Exclusive; for a surge that goes on, where the logs end."""
    is_open: bool
    score: float
    window: int
    """The shortest window that fires."""
    peak: int
    """The most calls in that window."""
    record: int
    """The most calls in such a window in the 28 days before."""
    provisional: bool
    level_shift: bool


@dataclass
class Looks:
    """Per entry of the series and by window: counts, expectations, deviations, scores."""

    sums: dict[int, Ints] = field(default_factory=dict)
    expected: dict[int, Floats] = field(default_factory=dict)
    y: dict[int, Floats] = field(default_factory=dict)
    scores: dict[int, Floats] = field(default_factory=dict)


def find(
    series: Series,
    expectation: Expectation,
    masked: npt.NDArray[np.bool_],
    *,
    first_day: int,
    end_minute: int,
    theta: float,
) -> list[Surge]:
    """Find the surges that fire on or after a day.

    Args:
        masked: (series, days) days with holes in their logs: neither judged nor learned from.
        first_day: the first day to judge.
        end_minute: where the logs end.
        theta: the score (-log10 p) that fires.
    """
    looks = look(series, expectation, masked, first_day=first_day)
    fires = firing(series, looks, theta)
    fired = np.unique(series.series[fires.any(axis=0)])
    surges: list[Surge] = []
    for number in fired:
        entries = np.flatnonzero(series.series == number)
        surges += _spans(series, looks, fires, entries, end_minute)
    return surges


def look(
    series: Series,
    expectation: Expectation,
    masked: npt.NDArray[np.bool_],
    *,
    first_day: int,
) -> Looks:
    """Score every entry in every window; 0 before `first_day`. Parameters as for `find`."""
    looks = Looks()
    strata = _strata(series, expectation)
    for window in WINDOWS:
        _look(series, expectation, masked, strata, looks, window, first_day)
    return looks


def deviation(series: Series, expectation: Expectation, window: int) -> tuple[Ints, Floats, Floats]:
    """Return for each entry the calls in the window that ends there, how many were expected, and y,
    the logarithm of the ratio of the two with 8 calls added to both."""
    who, minute = series.series, series.minute
    sums = series.calls_in(who, minute - window, minute)
    span = _LOCAL[window]
    before = series.calls_in(who, minute - window - span, minute - window)
    expected = np.maximum(expectation.within(who, minute, window), before * (window / span))
    # Running sums end in other last digits when the logs are read from another day on.
    y = np.round(np.log((sums + _PSEUDO) / (expected + _PSEUDO)), 9)
    return sums, expected, y


def daily(
    series: Series, expectation: Expectation, masked: npt.NDArray[np.bool_], window: int
) -> Floats:
    """(series, days) the largest u of each day; NaN without a record and on masked days."""
    _, _, y = deviation(series, expectation, window)
    return _daily(series, y, masked)[0]


def _daily(
    series: Series, y: Floats, masked: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """As `daily`, of known y, with the record and the scale of each day."""
    maxima = series.daily_maximum(y)
    record, spread = _history(series, maxima, masked)
    scale = 0.3 * spread + _LEAST_SPREAD
    found = (np.exp((maxima - record) / 2) - 1) / scale
    found[~np.isfinite(record) | masked] = np.nan
    return found, record, scale


def _look(
    series: Series,
    expectation: Expectation,
    masked: npt.NDArray[np.bool_],
    strata: tuple[Ints, Ints],
    looks: Looks,
    window: int,
    first_day: int,
) -> None:
    sums, expected, y = deviation(series, expectation, window)
    daily_u, record, scale = _daily(series, y, masked)
    who, day = series.series, series.day
    u = (np.exp((y - record[who, day]) / 2) - 1) / scale[who, day]
    u[masked[who, day]] = np.nan
    shipped = default_pool(f"surge_{window}")
    # No series is of the stratum -1: they widen the pool of everything alone.
    nobody = np.full(len(shipped), -1, np.int64)
    scores = np.zeros(len(y))
    for today in range(max(first_day, 1), series.days):
        entries = np.flatnonzero(day == today)
        if not len(entries):
            continue
        days = slice(max(0, today - POOL_DAYS), today)
        pool = daily_u[:, days]
        fine, coarse = (stratum[:, today] for stratum in strata)
        wide = pool.shape[1]
        few = int(np.isfinite(pool).sum()) < MIN_POOL
        more = slice(len(shipped) if few else 0)
        scores[entries] = surprise_by_stratum(
            u[entries],
            [fine[who[entries]], coarse[who[entries]]],
            np.concatenate((pool.ravel(), shipped[more])),
            [np.concatenate((np.repeat(own, wide), nobody[more])) for own in (fine, coarse)],
        )
    looks.sums[window], looks.expected[window], looks.y[window] = sums, expected, y
    looks.scores[window] = scores


def _history(
    series: Series, maxima: Floats, masked: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """(series, days) the record and the spread of the 28 daily maxima before each day.

    Maxima are cut at what those before them make believable, so that one attack does not raise the
    bar for the next; the oldest one, with none before it, at what the others do. All of it is taken
    from the 28 days alone, so that a day's record is the same wherever the logs are read from.
    Days of an account's first week and masked days are left out. The record is -inf where there is
    no history at all.
    """
    warm = np.arange(series.days) >= series.logged_day[:, None] + WARM_DAYS
    usable = np.where(warm & ~masked, maxima, np.nan)
    before = np.full((series.count, HISTORY_DAYS), np.nan)
    padded = np.concatenate((before, usable), axis=1)
    past = [padded[:, age : age + series.days] for age in range(HISTORY_DAYS)]
    others = np.full_like(maxima, -np.inf)
    for values in past[1:]:
        others = np.fmax(others, values)
    record = np.full_like(maxima, -np.inf)
    count, mean, square = (np.zeros_like(maxima) for _ in range(3))
    ceiling = np.where(np.isfinite(others), others + 3 * _LEAST_SPREAD, np.inf)
    for values in past:
        kept = np.minimum(values, ceiling)
        known = np.isfinite(kept)
        count += known
        step = np.where(known, kept - mean, 0.0)
        mean += step / np.maximum(count, 1)
        square += step * np.where(known, kept - mean, 0.0)
        record = np.fmax(record, kept)
        spread = np.sqrt(square / np.maximum(count, 1))
        ceiling = np.where(count > 0, record + 3 * (spread + _LEAST_SPREAD), np.inf)
    return record, spread


def _strata(series: Series, expectation: Expectation) -> tuple[Ints, Ints]:
    """(series, days) the fine stratum (rate and burstiness) and the coarse one (burstiness)."""
    fifteen = series.calls_in(series.series, series.minute - 15, series.minute)
    daily = series.daily_maximum(fifteen.astype(np.float64))
    most = np.zeros_like(daily)
    for day in range(1, series.days):
        most[:, day] = daily[:, max(0, day - HISTORY_DAYS) : day].max(axis=1)
    burst = np.digitize(most, (8, 30, 120)).astype(np.int64)
    rate = np.clip(np.floor(np.log10(expectation.per_day + 0.1)), -1, 3).astype(np.int64) + 1
    return rate * 4 + burst, burst


def firing(series: Series, looks: Looks, theta: float) -> npt.NDArray[np.bool_]:
    """(windows, entries) whether a window's look fires."""
    young = series.day - series.logged_day[series.series] < _PROVISIONAL_DAYS
    needed = theta + _PROVISIONAL_MARGIN * young
    return np.stack(
        [
            (looks.scores[window] >= needed)
            & (looks.sums[window] >= _LEAST_CALLS)
            & (looks.sums[window] >= _LEAST_RATIO * looks.expected[window])
            for window in WINDOWS
        ]
    )


def _spans(
    series: Series,
    looks: Looks,
    fires: npt.NDArray[np.bool_],
    entries: Ints,
    end_minute: int,
) -> list[Surge]:
    """Start, end and merge the surges of one series."""
    minutes = series.minute[entries]
    own = fires[:, entries]
    fired: npt.NDArray[np.bool_] = np.logical_or.reduce(own, axis=0)
    # Windows of an hour and more stay high long after a burst is over: they don't tell its end.
    busy = np.zeros(len(entries), np.bool_)
    for window in WINDOWS:
        if window <= _END_WINDOW:
            busy |= looks.y[window][entries] > math.log(2)
    spans: list[list[int]] = []
    for place in np.flatnonzero(fired).tolist():
        if spans and place <= spans[-1][1]:
            continue
        if spans and minutes[place] - minutes[spans[-1][1]] <= _REOPEN_MINUTES:
            if _is_news(series, looks, own, entries, spans, place):
                spans[-1][1] = place
            continue
        if spans and not _is_news(series, looks, own, entries, spans, place):
            continue
        last = place
        for following in range(place + 1, len(entries)):
            if minutes[following] - minutes[last] > _QUIET_MINUTES:
                break
            if busy[following] or (
                fired[following]
                and _is_news(series, looks, own, entries, [[place, last]], following)
            ):
                last = following
            if minutes[last] - minutes[place] >= _LONGEST_MINUTES:
                break
        spans.append([place, last])
    return [_surge(series, looks, own, entries, first, last, end_minute) for first, last in spans]


def _is_news(
    series: Series,
    looks: Looks,
    own: npt.NDArray[np.bool_],
    entries: Ints,
    spans: list[list[int]],
    place: int,
) -> bool:
    """Whether an entry fires by more than the calls of spans that were told already.

    The long windows hold a burst for hours after it ended; they fire anew only for what came since.
    """
    number = series.series[entries[:1]]
    minute = int(series.minute[entries[place]])
    for row in np.flatnonzero(own[:, place]).tolist():
        window = WINDOWS[row]
        entry = entries[place]
        told = 0
        for first, last in spans:
            after = max(_start(series, looks, own, entries, first) - 1, minute - window)
            through = int(series.minute[entries[last]])
            if through > after:
                told += int(series.calls_in(number, np.array([after]), np.array([through]))[0])
        rest = int(looks.sums[window][entry]) - told
        first_minute = series.minute[entries[spans[0][0]]]
        earlier = series.minute[entries] < first_minute
        record = int(looks.sums[window][entries][earlier].max(initial=0))
        if told == 0 or (
            rest >= _LEAST_CALLS
            and rest >= _LEAST_RATIO * looks.expected[window][entry]
            and rest > record
        ):
            return True
    return False


def _surge(
    series: Series,
    looks: Looks,
    own: npt.NDArray[np.bool_],
    entries: Ints,
    first: int,
    last: int,
    end_minute: int,
) -> Surge:
    inside = entries[first : last + 1]
    scores = np.stack([looks.scores[window][inside] for window in WINDOWS])
    scores = np.where(own[:, first : last + 1], scores, 0.0)
    # The shortest window that fires says it best: "84 in 5 minutes", not "97 in a day".
    window = WINDOWS[int(np.flatnonzero(scores.any(axis=1))[0])]
    start = _start(series, looks, own, entries, first)
    end = int(series.minute[entries[last]]) + 1
    number = int(series.series[entries[0]])
    before = (series.series == number) & (series.minute < start)
    before &= series.minute >= start - HISTORY_DAYS * DAY
    peak = looks.sums[window][inside].max()
    return Surge(
        series=number,
        start=start,
        end=end,
        is_open=end_minute - end < _QUIET_MINUTES,
        score=round(float(scores.max()), 6),
        window=window,
        peak=int(peak),
        record=int(looks.sums[window][before].max(initial=0)),
        provisional=bool(series.day[inside[0]] - series.logged_day[number] < _PROVISIONAL_DAYS),
        level_shift=end - start >= _LONGEST_MINUTES,
    )


def _start(
    series: Series, looks: Looks, own: npt.NDArray[np.bool_], entries: Ints, first: int
) -> int:
    """The first minute of the firing window whose five minutes run clearly above expectation."""
    window = min(WINDOWS[row] for row in np.flatnonzero(own[:, first]).tolist())
    minutes = series.minute[entries]
    fired = int(minutes[first])
    above = looks.sums[5][entries] > _ONSET_RATIO * np.maximum(looks.expected[5][entries], 1.0)
    within = (minutes > fired - window) & (minutes <= fired) & above
    return int(minutes[within][0]) if within.any() else fired
