"""The series of a window with all the days that the window's depend on, ready to be judged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from ctanalytics.detectors.base import Context, Window
from ctanalytics.detectors.calendars import Calendars, calendars_of
from ctanalytics.detectors.confirmed import Confirmed, confirmed_in
from ctanalytics.detectors.expectation import Expected, Expecting, Past
from ctanalytics.detectors.logged import Logged
from ctanalytics.detectors.peaks import peaks
from ctanalytics.detectors.series import (
    DAY,
    HISTORY_DAYS,
    POOL_DAYS,
    Axis,
    Bools,
    DayRows,
    Floats,
    Ints,
    Keys,
    Minutes,
    PeakRows,
    add_up,
    from_nano,
    minutes_of,
    peak_rows,
)
from ctanalytics.detectors.series_parts import SpreadState
from ctanalytics.detectors.series_state import BLOCK_DAYS, REACH_DAYS, Days, Read, expected_days
from ctanalytics.detectors.spread import Spread

PEAK_DAYS: Final = HISTORY_DAYS + POOL_DAYS
"""A day is judged by the pool of 14 days before it, each of which by the record of its 28."""

AXIS_DAYS: Final = PEAK_DAYS + REACH_DAYS
"""With all of them a day's result does not depend on where the window starts."""


@dataclass(frozen=True)
class History:
    """Series, numbered in the order of their keys, on the days of an axis."""

    keys: Keys
    axis: Axis
    past: Past
    logged: Logged
    peaks: Mapping[int, PeakRows]
    first_day: int
    """The first day to judge."""
    end_minute: int
    """Where the logs end: silence beyond is unknown."""
    _minutes: Callable[[int, int], Minutes]

    @property
    def count(self) -> int:
        """How many series there are."""
        return self.past.count

    @property
    def masked(self) -> Bools:
        """(series, days) days with holes in their logs: neither judged nor learned from."""
        return self.logged.masked

    @property
    def unlearned(self) -> Bools:
        """(series, days) masked days, and those of incidents that a person confirmed."""
        return self.past.unlearned

    @property
    def holes(self) -> list[tuple[str | None, str | None, int, int]]:
        """As `Logged.holes`."""
        return self.logged.holes

    @property
    def first_days(self) -> dict[str | None, int]:
        """As `Logged.first_days`."""
        return self.logged.first_days

    @property
    def age(self) -> Ints:
        """(series, days) days of logs that the series' account had before a day."""
        return self.past.age

    def minutes(self, first: int, after: int) -> Minutes:
        """Return the calls per minute of the days first <= d < after, the last up to the end."""
        return self._minutes(first, after)

    def expected(self, first: int, after: int) -> Expected:
        """Return what was to be expected on the days first <= d < after."""
        return expected_days(Expecting(self.past), first, after)

    def levels(self, day: int) -> Floats:
        """(series,) usual calls per day, as of a day."""
        return Expecting(self.past).level(day)

    def peak(self, name: str, place: int, first: int) -> Floats:
        """(series, days from `first` on) a column of the peaks: `surge` and `most` are 0, `held` and
        `drop` -inf on days without a look."""
        found = np.full((self.count, self.axis.days - first), -np.inf)
        if name in ("surge", "most"):
            found[:] = 0.0
        for day, rows in self.peaks.items():
            if day >= first:
                values = getattr(rows, name)[:, place]
                found[rows.series, day - first] = values if name == "most" else from_nano(values)
        return found

    def dense(self, name: str, absent: int) -> Ints:
        """(series, days) a column of the days, with a value for days without a call."""
        found = np.full((self.count, self.axis.days), absent, np.int64)
        for day, rows in self.past.days.items():
            found[rows.series, day] = getattr(rows, name)
        return found

    def active(self, day: int) -> int:
        """As `Judging`."""
        return max(self.called(day), 1)

    def called(self, day: int) -> int:
        """Return how many series had a call in the 28 days up to a day."""
        found = np.zeros(self.count, np.bool_)
        for one in self._recent(day):
            if one in self.past.days:
                found[self.past.days[one].series] = True
        return int(found.sum())

    def _recent(self, day: int) -> range:
        return range(max(day - HISTORY_DAYS + 1, 0), day + 1)

    def of(self, chosen: Ints) -> History:
        """Return some series by themselves, numbered anew in their order."""

        def kept(series: Ints) -> tuple[Ints, Ints]:
            """Which rows are of a chosen series, and its new number."""
            at = np.searchsorted(series, chosen)
            is_there = np.append(series, -1)[at] == chosen
            return at[is_there], np.flatnonzero(is_there)

        def days(rows: DayRows) -> DayRows:
            at, number = kept(rows.series)
            columns = (rows.first, rows.last, rows.gap, rows.gap_at)
            return DayRows(number, rows.hours[at], *(column[at] for column in columns))

        def highest(rows: PeakRows) -> PeakRows:
            at, number = kept(rows.series)
            columns = (rows.most, rows.surge, rows.held, rows.drop)
            return PeakRows(number, *(column[at] for column in columns))

        def minutes(first: int, after: int) -> Minutes:
            found = self._minutes(first, after).of(chosen)
            number = np.searchsorted(chosen, found.series)
            return replace(found, series=number)

        past = Past(
            len(chosen),
            {day: days(rows) for day, rows in self.past.days.items()},
            self.past.age[chosen],
            self.past.unlearned[chosen],
            self.past.off,
            self.past.calendar[chosen],
        )
        return replace(
            self,
            keys=Keys(self.keys.frame[chosen]),
            past=past,
            logged=replace(
                self.logged, age=self.logged.age[chosen], masked=self.logged.masked[chosen]
            ),
            peaks={day: highest(rows) for day, rows in self.peaks.items()},
            _minutes=minutes,
        )


def axis_of(window: Window) -> Axis:
    """Return the days of a window and all those before it that they depend on."""
    midnight = window.since.replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - dt.timedelta(days=AXIS_DAYS)
    return Axis(start, -((start - window.until) // dt.timedelta(days=1)))


def state_of(context: Context, window: Window) -> SpreadState:
    """Return the state of series, as far as a window needs it."""
    # Whoever lives through a past knows nothing of what people said of it later.
    confirmed = confirmed_in(context.engine) if context.replay is None else Confirmed([])
    calendars = calendars_of(context.engine, context.settings.calendars)
    spread = Spread.of(context)
    return SpreadState(
        context.engine, context.derived, calendars, window.until, confirmed, spread=spread
    )


def load(context: Context, window: Window, kind: str, *, with_peaks: bool = True) -> History:
    """Bring the state of a kind of series up to date for a window, and read it.

    Args:
        with_peaks: what surges and drops are judged by; stops do without.
    """
    state = state_of(context, window)
    state.count_all(kind, axis_of(window))
    return brought(state, window, kind, with_peaks=with_peaks)


def brought(state: SpreadState, window: Window, kind: str, *, with_peaks: bool = True) -> History:
    """As `load`, of a state whose minutes and days are up to date."""
    axis, derived = axis_of(window), state.derived
    days = state.days(kind, axis)
    if with_peaks:
        state.raise_peaks(kind, days, AXIS_DAYS - PEAK_DAYS, axis.days)
    dates = axis.dates(AXIS_DAYS - PEAK_DAYS, axis.days)
    tables = derived.read("series_peak", dates, kind) if with_peaks else ()
    return of_days(derived.read, kind, days, tables, window.until)


def of_days(
    read: Read,
    kind: str,
    days: Days,
    peaks: Iterable[tuple[dt.date, pa.Table]],
    until: dt.datetime,
) -> History:
    """Make a history of a state that is up to date.

    Args:
        peaks: rows of series_peak, of PEAK_DAYS before the first day to judge and on.
        until: where the logs end.
    """
    axis = days.axis

    @cache
    def minutes(first: int, after: int) -> Minutes:
        rows = read("series_minute", axis.dates(first, after), kind)
        return minutes_of(days.keys, axis, rows).until(axis.minute(until))

    return History(
        days.keys,
        axis,
        days.past,
        days.logged,
        {(date - axis.start.date()).days: peak_rows(days.keys, table) for date, table in peaks},
        AXIS_DAYS,
        axis.minute(until),
        minutes,
    )


def from_minutes(
    keys: Keys,
    axis: Axis,
    minutes: Minutes,
    *,
    first_day: int,
    age: Ints,
    masked: Bools,
    end_minute: int | None = None,
) -> History:
    """Make a history of minutes in memory, with no state; for tests and benchmarks.

    Args:
        minutes: of all days of the axis.
        age: (series, days) days of logs before a day.
        masked: (series, days) days whose logs have holes.
        end_minute: where the logs end; else where the axis does.
    """
    end = axis.days * DAY if end_minute is None else end_minute
    minutes = minutes.until(end)
    rows = {}
    for day in range(axis.days):
        one = minutes.between(day * DAY, (day + 1) * DAY)
        rows[day] = add_up(one.series, one.minute % DAY, one.calls)
    calendars = Calendars()
    past = Past(keys.count, rows, age, masked, calendars.off(axis), calendars.of(keys))
    expecting = Expecting(past)
    found: dict[int, PeakRows] = {}
    for start in range(1, axis.days, BLOCK_DAYS):
        after = min(start + BLOCK_DAYS, axis.days)
        near = minutes.between((start - 2) * DAY, after * DAY)
        expected = expected_days(expecting, start - 1, after)
        found |= peaks(near, expected, start, after, end)
    return History(
        keys,
        axis,
        past,
        Logged(age, masked, [], {}),
        found,
        first_day,
        end,
        lambda first, after: minutes.between(first * DAY, after * DAY),
    )
