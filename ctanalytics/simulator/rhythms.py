"""When things happen: start times over one working day of the organization."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ctanalytics.simulator.columns import Times

DAY_SECONDS = 86_400
FIRST_HOUR = 4
"""UTC hour at which a day of the simulation begins: little goes on then, and no session."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the simulation, from 04:00 UTC to 04:00 UTC."""

    place: int
    """0 is the day in which the first log lies; it began before the simulation's start."""
    date: dt.date
    utc_offset_hours: int

    @property
    def begin(self) -> int:
        """Seconds since 1970 at which it begins."""
        midnight = dt.datetime.combine(self.date, dt.time(), dt.UTC)
        return int(midnight.timestamp()) + FIRST_HOUR * 3_600

    @property
    def working(self) -> bool:
        """Whether people work."""
        return self.date.isoweekday() < 6

    def at(self, hour: float) -> int:
        """The second at which a UTC hour strikes; hours before 04:00 are those of the next date."""
        return self.begin + round((hour - FIRST_HOUR) % 24 * 3_600)


Rhythm = Callable[[np.random.Generator, Day, float], Times]
"""How often a day something starts -> when it starts, in no order."""


def steady(rng: np.random.Generator, day: Day, starts: float) -> Times:
    """Round the clock, at any time alike."""
    return day.begin + rng.integers(0, DAY_SECONDS, rng.poisson(starts))


def customers(rng: np.random.Generator, day: Day, starts: float) -> Times:
    """Round the clock, busier in the afternoon and a little less at weekends."""
    count = rng.poisson(starts * (1.06 if day.working else 0.85) * rng.lognormal(0, 0.06))
    hours = np.where(rng.random(count) < 0.5, rng.uniform(0, 24, count), rng.normal(15, 3.5, count))
    return _at_local_hours(day, hours)


def office(rng: np.random.Generator, day: Day, starts: float) -> Times:
    """In working hours, seldom at weekends."""
    count = rng.poisson(starts * (1.35 if day.working else 0.1) * rng.lognormal(0, 0.15))
    morning = rng.random(count) < 0.45
    hours = np.where(morning, rng.normal(10.3, 1.0, count), rng.normal(15.0, 1.3, count))
    return _at_local_hours(day, hours)


def every(minutes: int) -> Rhythm:
    """By the clock; a few seconds late each time, never left out."""

    def rhythm(rng: np.random.Generator, day: Day, starts: float) -> Times:
        marks = day.begin + np.arange(0, DAY_SECONDS, minutes * 60)
        each = max(1, round(starts / len(marks)))
        return np.repeat(marks, each) + rng.integers(2, min(40, minutes * 20), len(marks) * each)

    return rhythm


def nightly(hour: float) -> Rhythm:
    """Once a day at a UTC hour, or as often as asked within the quarter of an hour after it."""

    def rhythm(rng: np.random.Generator, day: Day, starts: float) -> Times:
        return day.at(hour) + rng.integers(0, 900, max(1, round(starts)))

    return rhythm


def _at_local_hours(day: Day, hours: np.ndarray) -> Times:
    since = (hours - day.utc_offset_hours - FIRST_HOUR) % 24
    return day.begin + (since * 3_600).astype(np.int64)
