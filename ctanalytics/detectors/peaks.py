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

LOCAL: Final = {5: 120, 15: 120, 60: 120, 360: 720, 1_440: 1_440}
"""Minutes before each window that tell what is usual just now."""

_CHUNK_ROWS: Final = 20_000
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
    minutes: Minutes,
    entries: Ints,
    expected: Expected,
    window: int,
    through: Floats | None = None,
) -> Looks:
    """Compare the calls of the window that ends at each entry with what was to be expected: by the
    season, or by what went before the window, whichever is more.

    Args:
        through: `expected.through` of the entries, where it is known.
    """
    places, running = minutes.places, minutes.running
    who, minute = minutes.series[entries], minutes.minute[entries]
    if through is None:
        through = expected.through(who, minute)
    now = places[entries]
    below = np.searchsorted(places, now - window, side="right")
    before = np.searchsorted(places, now - window - LOCAL[window], side="right")
    start = running[below]
    sums = running[entries + 1] - start
    local = (start - running[before]) * (window / LOCAL[window])
    season = through - expected.through(who, minute - window)
    return Looks(sums, np.maximum(season, local))


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
    minutes: Minutes, expected: Expected, first: int
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return series, day, and by window the most calls, the largest y, and the largest of looks that
    could page, of the days from the first on; in units of NANO."""
    if len(minutes.series):
        # Once here, and not by several threads at the same time: it adds up all hours.
        expected.through(minutes.series[:1], minutes.minute[:1])
    with ThreadPoolExecutor(_THREADS) as threads:
        parts = list(threads.map(lambda part: _surges(part, expected, first), _chunks(minutes)))
    series, day, most, surge, held = (np.concatenate(column) for column in zip(*parts, strict=True))
    return series, day, most, surge, held


def _chunks(minutes: Minutes) -> Iterator[Minutes]:
    """Parts of whole series that fit a processor's cache."""
    edges = np.arange(0, len(minutes.series), _CHUNK_ROWS)
    cuts = np.unique(np.searchsorted(minutes.series, minutes.series[edges], side="left"))
    for start, end in zip(cuts, [*cuts[1:], len(minutes.series)][: len(cuts)], strict=True):
        part = slice(start, end)
        yield Minutes(minutes.series[part], minutes.minute[part], minutes.calls[part], minutes.days)
    if not len(edges):
        yield minutes


def _surges(part: Minutes, expected: Expected, first: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Series, day, and by window the most calls, the largest y, the largest that is held."""
    entries = np.flatnonzero(part.minute >= first * DAY)
    cell = part.series[entries] * part.days + part.day[entries]
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    shape = (len(starts), len(SURGE_WINDOWS))
    most, surge, held = (np.zeros(shape, np.int64) for _ in range(3))
    if not len(starts):
        return cell, cell, most, surge, held
    through = expected.through(part.series[entries], part.minute[entries])
    for place, window in enumerate(SURGE_WINDOWS):
        found = looks(part, entries, expected, window, through)
        ratio = found.ratio
        most[:, place] = np.maximum.reduceat(found.sums, starts)
        # The largest ratio has the largest logarithm, which is so taken once a day.
        surge[:, place] = nano(np.log(np.maximum.reduceat(ratio, starts)))
        could = np.maximum.reduceat(np.where(found.held, ratio, 0.0), starts)
        with np.errstate(divide="ignore"):
            held[:, place] = nano(np.log(could))
    return cell[starts] // part.days, cell[starts] % part.days, most, surge, held


def drop_looks(
    minutes: Minutes, expected: Expected, who: Ints, minute: Ints, window: int
) -> tuple[Ints, Floats, Floats]:
    """Return the calls of each window, how many were to be expected (by the season or by what went
    before, whichever is less), and y, NaN where too few are expected to tell."""
    span = 2 * window
    through = minutes.calls_through(who, minute)
    start = minutes.calls_through(who, minute - window)
    before = start - minutes.calls_through(who, minute - window - span)
    calls = through - start
    least = np.minimum(expected.within(who, minute, window), before * (window / span))
    y = np.log((least + PSEUDO) / (calls + PSEUDO))
    return calls, least, np.where(least > LEAST_EXPECTED, y, np.nan)


def drop_minutes(day: int, until: int) -> Ints:
    """The minutes of a day at which drops are looked for."""
    return np.arange(day * DAY + STEP - 1, min((day + 1) * DAY, until), STEP)


def drop_peaks(minutes: Minutes, expected: Expected, day: int, until: int) -> tuple[Ints, Ints]:
    """Return the series that are busy enough to drop, and by window the largest y of the day."""
    hourly = expected.per_minute[:, day - expected.first_day] * 60
    spots = drop_minutes(day, until)
    numbers, values = [], []
    for place, window in enumerate(DROP_WINDOWS):
        busy = hourly.max(axis=1) * (window / 60) > LEAST_EXPECTED
        chosen = np.flatnonzero(busy)
        who, minute = np.repeat(chosen, len(spots)), np.tile(spots, len(chosen))
        _, _, y = drop_looks(minutes, expected, who, minute, window)
        y = np.where(np.isnan(y), -np.inf, y).reshape(len(chosen), len(spots))
        largest = np.full((len(chosen), len(DROP_WINDOWS)), NO_LOOK)
        if len(spots):
            largest[:, place] = nano(y.max(axis=1))
        numbers.append(chosen)
        values.append(largest)
    series = np.unique(np.concatenate(numbers))
    most = np.full((len(series), len(DROP_WINDOWS)), NO_LOOK)
    for chosen, largest in zip(numbers, values, strict=True):
        at = np.searchsorted(series, chosen)
        most[at] = np.maximum(most[at], largest)
    known = (most != NO_LOOK).any(axis=1)
    return series[known], most[known]


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
