"""How many calls a series is to be expected to make, by the hour, from the 28 days before.

Every formula is explained in docs/detection.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from ctanalytics.detectors.series import DAY, HISTORY_DAYS, Bools, DayRows, Floats, Ints

REACH_DAYS: Final = HISTORY_DAYS + 3
"""The history of a day, and of the three before it, by which it is corrected."""

_HALF_LIFE_DAYS: Final = 10.0
_LEVEL_WEIGHT: Final = 1.0
_DAYTYPE_WEIGHT: Final = 1.5
_RECENT: Final = 50.0
_RECENT_DAYS: Final = 3
_BLOCK_SERIES: Final = 2_000


@dataclass(frozen=True)
class Expected:
    """Expected calls of some days in a row."""

    first_day: int
    per_minute: Floats
    """(series, days, 24)."""

    @cached_property
    def _flat(self) -> Floats:
        return self.per_minute.reshape(len(self.per_minute), self.per_minute.shape[1] * 24)

    @cached_property
    def _running(self) -> Floats:
        sums = np.cumsum(self._flat * 60, axis=1)
        return np.concatenate((np.zeros((len(sums), 1)), sums), axis=1)

    def through(self, series: Ints, minute: Ints) -> Floats:
        """Expected calls from the first day up to and including a minute of the axis."""
        width = self._flat.shape[1]
        after = np.clip(minute + 1 - self.first_day * DAY, 0, width * 60)
        hour = after // 60
        rest = after - hour * 60
        place = np.minimum(hour, width - 1)
        part = self._flat.ravel()[series * width + place] * rest
        found: Floats = self._running.ravel()[series * (width + 1) + hour] + part
        return found

    def by_hour(self, series: Ints, start: int, hours: int) -> tuple[Floats, Floats]:
        """Return by series and hour, flat, the expected calls before it and those of its minutes.

        Args:
            series: ascending.
            start: the minute of the axis at which the first hour begins.
            hours: of each series.
        """
        width = self._flat.shape[1]
        hour = np.arange(hours) + (start // 60 - self.first_day * 24)
        inside = (hour >= 0) & (hour < width)
        before = self._running[series].take(np.clip(hour, 0, width), axis=1)
        rate = self._flat[series].take(np.clip(hour, 0, width - 1), axis=1)
        rate[:, ~inside] = 0.0
        return before.ravel(), rate.ravel()

    def within(self, series: Ints, minute: Ints, window: int) -> Floats:
        """Expected calls in the minutes (minute - window, minute]."""
        return self.through(series, minute) - self.through(series, minute - window)


@dataclass(frozen=True)
class Past:
    """What days are expected from."""

    count: int
    """Of series."""
    days: Mapping[int, DayRows]
    """By day of the axis; a day that is not there had no calls."""
    age: Ints
    """(series, days) days of logs before a day."""
    unlearned: Bools
    """(series, days) days that teach nothing: their logs have holes, or an attack is in them."""
    off: Bools
    """(calendars, days, 24) whether an hour lies on a weekend or holiday."""
    calendar: Ints
    """(series,) the calendar of each."""


@dataclass
class Expecting:
    """Expects day after day; the profiles of three days before are kept."""

    past: Past
    _profiles: dict[int, Floats]

    def __init__(self, past: Past) -> None:
        self.past = past
        self._profiles = {}

    def day(self, day: int) -> Floats:
        """(series, 24) expected calls per minute of a day, from the days before it alone."""
        profile = self._profile_of(day)
        lately = np.full(self.past.count, _RECENT)
        expected = np.full(self.past.count, _RECENT)
        for before in range(max(day - _RECENT_DAYS, 0), day):
            expected += self._profile_of(before).sum(axis=1)
            rows = self.past.days.get(before)
            if rows is not None:
                lately[rows.series] += rows.hours.sum(axis=1)
        ratio = np.clip(lately / expected, 1 / 3, 3)
        for old in [one for one in self._profiles if one < day - _RECENT_DAYS]:
            del self._profiles[old]
        found: Floats = profile * np.sqrt(ratio)[:, None] / 60
        return found

    def level(self, day: int) -> Floats:
        """(series,) calls per day, older days weighing less."""
        total, calls = np.zeros(self.past.count), np.zeros(self.past.count)
        for before in range(max(0, day - HISTORY_DAYS), day):
            weight = self._weight(day, before)
            total += weight
            rows = self.past.days.get(before)
            if rows is not None:
                calls[rows.series] += rows.hours.sum(axis=1) * weight[rows.series]
        found: Floats = calls / np.maximum(total, 1e-9)
        return found

    def _weight(self, day: int, before: int, part: slice = slice(None)) -> Floats:
        """What a day before counts for another, by series."""
        age, unlearned = self.past.age[part, day], self.past.unlearned[part, before]
        weight = np.full(len(age), 0.5 ** ((day - 1 - before) / _HALF_LIFE_DAYS))
        weight[unlearned | (age < day - before)] = 0.0
        return weight

    def _profile_of(self, day: int) -> Floats:
        """(series, 24) expected calls per hour before they are corrected by the last days."""
        if day not in self._profiles:
            self._profiles[day] = self._profile(day)
        return self._profiles[day]

    def _profile(self, day: int) -> Floats:
        found = np.empty((self.past.count, 24))
        # Of so many series at a time, the sums stay in a processor's cache: half of the time.
        for start in range(0, self.past.count, _BLOCK_SERIES):
            part = slice(start, min(start + _BLOCK_SERIES, self.past.count))
            found[part] = self._profile_in(day, part)
        return found

    def _profile_in(self, day: int, part: slice) -> Floats:
        past, count = self.past, part.stop - part.start
        calendar, own_off = past.calendar[part], past.off[:, day]
        total = np.zeros(count)
        weighted, alike_total, alike = (np.zeros((count, 24)) for _ in range(3))
        for before in range(max(0, day - HISTORY_DAYS), day):
            weight = self._weight(day, before, part)
            total += weight
            by_calendar = past.off[:, before] == own_off
            same = by_calendar[calendar] if not by_calendar.all() else None
            is_alike = by_calendar.any()
            if is_alike:
                alike_total += weight[:, None] if same is None else weight[:, None] * same
            rows = past.days.get(before)
            if rows is None:
                continue
            own = slice(*np.searchsorted(rows.series, (part.start, part.stop)))
            place = rows.series[own] - part.start
            calls = rows.hours[own] * weight[place, None]
            weighted[place] += calls
            if is_alike:
                alike[place] += calls if same is None else calls * same[place]
        total = np.maximum(total, 1e-9)
        level = weighted.sum(axis=1) / 24 / total
        by_hour = (weighted + _LEVEL_WEIGHT * level[:, None]) / (total + _LEVEL_WEIGHT)[:, None]
        profile: Floats = (alike + _DAYTYPE_WEIGHT * by_hour) / (alike_total + _DAYTYPE_WEIGHT)
        return profile
