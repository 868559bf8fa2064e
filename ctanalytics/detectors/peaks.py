"""How far each minute deviates from what was to be expected, and the day's largest deviations.

Every formula is explained in docs/detection.md; names here are the ones used there.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from ctanalytics.detectors.expectation import Expected
from ctanalytics.detectors.hourly import Hourly, Moments
from ctanalytics.detectors.series import (
    DAY,
    DROP_WINDOWS,
    NO_LOOK,
    SURGE_WINDOWS,
    Bools,
    Floats,
    Ints,
    Minutes,
    PeakRows,
    nano,
)

PSEUDO: Final = 8.0
LEAST_CALLS: Final = 10
LEAST_RATIO: Final = 2.0
LEAST_EXPECTED: Final = 10.0
STEP: Final = 10
"""Minutes between two looks for a drop."""
_STEPS: Final = DAY // STEP
_SPAN: Final = 2
"""How many windows before one tell what is usual just now, for a drop."""

LOCAL: Final = {5: 120, 15: 120, 60: 120, 360: 720, 1_440: 1_440}
"""Minutes before each window that tell what is usual just now."""

_CHUNK_ROWS: Final = 40_000
_SERIES_ROWS: Final = 50
"""What the hours of a series weigh beside its rows."""
_BUSY_SERIES: Final = 250
_THREADS: Final = 2


@dataclass(frozen=True)
class Looks:
    """What some entries show in one window."""

    sums: Ints
    expected: Floats

    @property
    def ratio(self) -> Floats:
        """How often the calls are what was to be expected, with PSEUDO added to both."""
        found: Floats = (self.sums + PSEUDO) / (self.expected + PSEUDO)
        return found

    @property
    def y(self) -> Floats:
        """The deviation: the logarithm of the ratio."""
        return np.log(self.ratio)

    @property
    def held(self) -> Bools:
        """Whether there are calls enough to page."""
        found: Bools = (self.sums >= LEAST_CALLS) & (self.sums >= LEAST_RATIO * self.expected)
        return found


def looks(
    minutes: Minutes, expected: Expected, first: int
) -> tuple[Ints, Iterator[tuple[int, Looks]]]:
    """Compare the calls of the window that ends at each entry with what was to be expected: by the
    season, or by what went before the window, whichever is more.

    Args:
        minutes: of the days from the first on, and the two before.
        expected: of the days from the first on, and the one before.

    Returns:
        The entries from the first day on, and by window what they show.
    """
    hourly = Hourly(minutes, expected, (first - 2) * DAY)
    entries = np.flatnonzero(minutes.minute >= first * DAY)
    return entries, _looks(hourly, hourly.moments(entries))


def _looks(hourly: Hourly, now: Moments) -> Iterator[tuple[int, Looks]]:
    calls, season = hourly.calls(now), hourly.expected(now)
    for window in SURGE_WINDOWS:
        begin = now.earlier(window)
        before = hourly.calls(begin)
        local = before - hourly.calls(begin.earlier(LOCAL[window]))
        expected = np.maximum(season - hourly.expected(begin), local * (window / LOCAL[window]))
        yield window, Looks(calls - before, expected)


def peaks(
    minutes: Minutes, expected: Expected, first: int, after: int, until: int
) -> dict[int, PeakRows]:
    """Find the largest deviations of each series on the days first <= d < after.

    Args:
        minutes: of these days and the two before.
        expected: of these days and the one before.
        until: the minute at which the logs end; silence beyond is unknown.
    """
    series, day, most, surge, held = surge_peaks(minutes, expected, first)
    found = {}
    for one in range(first, after):
        rows = day == one
        found[one] = _with_drops(
            PeakRows(
                series[rows],
                most[rows],
                surge[rows],
                held[rows],
                np.zeros((0, len(DROP_WINDOWS)), np.int64),
            ),
            drop_peaks(minutes, expected, one, until),
        )
    return found


def surge_peaks(
    minutes: Minutes, expected: Expected, first: int, *, threads: int = _THREADS
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return series, day, and by window the most calls, the largest y, and the largest of looks that
    could page, of the days from the first on; in units of NANO."""
    if len(minutes.series):
        # Once here, and not by several threads at the same time: it adds up all hours.
        expected.through(minutes.series[:1], minutes.minute[:1])
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda part: _surges(part, expected, first), _chunks(minutes)))
    series, day, most, surge, held = (np.concatenate(column) for column in zip(*parts, strict=True))
    return series, day, most, surge, held


def _chunks(minutes: Minutes) -> Iterator[Minutes]:
    """Parts of whole series that fit a processor's cache."""
    starts = np.flatnonzero(np.diff(minutes.series, prepend=-1))
    size = np.diff(starts, append=len(minutes.series)) + _SERIES_ROWS
    cuts = starts[np.flatnonzero(np.diff(np.cumsum(size) // _CHUNK_ROWS, prepend=-1))]
    for start, end in zip(cuts, [*cuts[1:], len(minutes.series)][: len(cuts)], strict=True):
        part = slice(start, end)
        yield Minutes(minutes.series[part], minutes.minute[part], minutes.calls[part], minutes.days)
    if not len(cuts):
        yield minutes


def _surges(part: Minutes, expected: Expected, first: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Series, day, and by window the most calls, the largest y, the largest that is held."""
    entries, windows = looks(part, expected, first)
    cell = part.series[entries] * part.days + part.day[entries]
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    shape = (len(starts), len(SURGE_WINDOWS))
    most = np.zeros(shape, np.int64)
    highest, held = np.zeros(shape), np.zeros(shape)
    if not len(starts):
        return cell, cell, most, most, most
    for place, (_, found) in enumerate(windows):
        ratio = found.ratio
        most[:, place] = np.maximum.reduceat(found.sums, starts)
        highest[:, place] = np.maximum.reduceat(ratio, starts)
        held[:, place] = np.maximum.reduceat(np.where(found.held, ratio, 0.0), starts)
    # The largest ratio has the largest logarithm, which is so taken once a day.
    with np.errstate(divide="ignore"):
        surge = nano(np.log(highest))
        return cell[starts] // part.days, cell[starts] % part.days, most, surge, nano(np.log(held))


def drop_looks(
    minutes: Minutes, expected: Expected, who: Ints, minute: Ints, window: int
) -> tuple[Ints, Floats, Floats]:
    """Return the calls of each window, how many were to be expected (by the season or by what went
    before, whichever is less), and y, NaN where too few are expected to tell."""
    span = _SPAN * window
    through = minutes.calls_through(who, minute)
    start = minutes.calls_through(who, minute - window)
    before = start - minutes.calls_through(who, minute - window - span)
    calls = through - start
    least = np.minimum(expected.within(who, minute, window), before * (window / span))
    return calls, least, np.where(least > LEAST_EXPECTED, np.log(_lack(least, calls)), np.nan)


def _lack(expected: Floats, calls: Ints) -> Floats:
    return (expected + PSEUDO) / (calls + PSEUDO)


def drop_minutes(day: int, until: int) -> Ints:
    """The minutes of a day at which drops are looked for."""
    return np.arange(day * DAY + STEP - 1, min((day + 1) * DAY, until), STEP)


def drop_peaks(minutes: Minutes, expected: Expected, day: int, until: int) -> tuple[Ints, Ints]:
    """Return the series that are busy enough to drop, and by window the largest y of the day."""
    hourly = expected.per_minute[:, day - expected.first_day].max(axis=1) * 60
    busy = np.flatnonzero(hourly * (max(DROP_WINDOWS) / 60) > LEAST_EXPECTED)
    looks = len(drop_minutes(day, until))
    most = np.full((len(busy), len(DROP_WINDOWS)), NO_LOOK)
    if looks:
        # So many at a time fit a processor's cache.
        for begin in range(0, len(busy), _BUSY_SERIES):
            part = slice(begin, begin + _BUSY_SERIES)
            most[part] = _drops(minutes, expected, busy[part], day, looks)
    for place, window in enumerate(DROP_WINDOWS):
        most[hourly[busy] * (window / 60) <= LEAST_EXPECTED, place] = NO_LOOK
    known = (most != NO_LOOK).any(axis=1)
    return busy[known], most[known]


def _drops(minutes: Minutes, expected: Expected, series: Ints, day: int, looks: int) -> Ints:
    """(series, windows) the largest y of a day's first looks."""
    called, season = _by_step(minutes, expected, series, day)
    most = np.zeros((len(series), len(DROP_WINDOWS)))
    for place, window in enumerate(DROP_WINDOWS):
        shift = window // STEP
        now, start, before = (
            slice(_STEPS + 1 - back, _STEPS + 1 - back + looks)
            for back in (0, shift, shift * (1 + _SPAN))
        )
        calls = called[:, now] - called[:, start]
        least = np.minimum(
            season[:, now] - season[:, start],
            (called[:, start] - called[:, before]) * (1 / _SPAN),
        )
        most[:, place] = np.where(least > LEAST_EXPECTED, _lack(least, calls), 0.0).max(axis=1)
    with np.errstate(divide="ignore"):
        return nano(np.log(most))


def _by_step(minutes: Minutes, expected: Expected, series: Ints, day: int) -> tuple[Ints, Floats]:
    """(series, steps of two days and one) calls of a day and the one before up to each step, and
    how many were to be expected."""
    start, width = (day - 1) * DAY, 2 * _STEPS
    own = minutes.within(series, start, start + 2 * DAY)
    place = np.searchsorted(series, minutes.series[own])
    step = place * width + (minutes.minute[own] - start) // STEP
    # Sums of whole numbers are exact below 2 to the 53rd.
    counts = np.bincount(step, minutes.calls[own], len(series) * width).astype(np.int64)
    called = np.zeros((len(series), width + 1), np.int64)
    np.cumsum(counts.reshape(-1, width), axis=1, out=called[:, 1:])
    before, rate = expected.by_hour(series, start, width * STEP // 60 + 1)
    season = before[:, None] + rate[:, None] * np.arange(0, 60, STEP)
    return called, season.reshape(len(series), -1)


def _with_drops(rows: PeakRows, drops: tuple[Ints, Ints]) -> PeakRows:
    """Join the two; a series that made no call has no deviation above."""
    series = np.union1d(rows.series, drops[0])
    own, other = np.searchsorted(series, rows.series), np.searchsorted(series, drops[0])
    width = len(SURGE_WINDOWS)
    most, surge = (np.zeros((len(series), width), np.int64) for _ in range(2))
    held = np.full((len(series), width), NO_LOOK)
    drop = np.full((len(series), len(DROP_WINDOWS)), NO_LOOK)
    most[own], surge[own], held[own], drop[other] = rows.most, rows.surge, rows.held, drops[1]
    return PeakRows(series, most, surge, held, drop)
