"""Calls per minute of each API as sparse arrays, and what is to be expected of them.

Series are numbered by their sorted keys, minutes from the first midnight of the span; so the same
events give the same arrays, in whatever order they were read.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

KEYS: Final = ("account_id", "aws_region", "event_source", "event_name", "error_code")
DAY: Final = 1_440
HISTORY_DAYS: Final = 28
POOL_DAYS: Final = 14
WARM_DAYS: Final = 7
"""Of an account's logs, before the maxima of its series say anything."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_HALF_LIFE_DAYS: Final = 10.0
_LEVEL_WEIGHT: Final = 1.0
_DAYTYPE_WEIGHT: Final = 1.5
_RECENT: Final = 50.0
_SILENT_HOUR_CALLS: Final = 20.0


@dataclass(frozen=True)
class Series:
    """Sparse minute counts of all series of a span of whole days.

    `series`, `minute` and `calls` have one entry for each minute with a call, sorted by series,
    then minute; `minute` counts from `start`, a UTC midnight.
    """

    keys: pl.DataFrame
    series: Ints
    minute: Ints
    calls: Ints
    start: dt.datetime
    days: int
    logged_day: Ints
    """(series,) the first day from which the account has logs: before it nothing is known, after
    it a day without calls is a day of no calls."""

    @classmethod
    def from_minutes(
        cls,
        minutes: pa.Table,
        start: dt.datetime,
        days: int,
        region_hours: pa.Table | None = None,
    ) -> Series:
        """Build from a table of KEYS, minute (since 1970) and calls, in any order.

        Args:
            region_hours: account_id, hour (since 1970) of all its events: since when an account
                has logs; else its first call of these tells.
        """
        frame = pl.DataFrame(pl.from_arrow(minutes))
        keys = frame.select(KEYS).unique().sort(KEYS, nulls_last=False)
        numbered = frame.join(keys.with_row_index("series"), on=list(KEYS), nulls_equal=True).sort(
            "series", "minute"
        )
        first = (start - _EPOCH) // dt.timedelta(minutes=1)
        return cls(
            keys,
            numbered["series"].to_numpy().astype(np.int64),
            numbered["minute"].to_numpy().astype(np.int64) - first,
            numbered["calls"].to_numpy().astype(np.int64),
            start,
            days,
            _logged_days(keys, numbered, region_hours, first, days),
        )

    @property
    def count(self) -> int:
        """How many series there are."""
        return len(self.keys)

    @cached_property
    def _places(self) -> Ints:
        return self.series * (self.days + 2) * DAY + self.minute

    @cached_property
    def _running(self) -> Ints:
        return np.concatenate(([0], np.cumsum(self.calls)))

    def calls_through(self, series: Ints, minute: Ints) -> Ints:
        """Return the calls of each series from the start up to and including a minute."""
        bounded = np.clip(minute, -1, (self.days + 1) * DAY)
        place = series * (self.days + 2) * DAY + bounded
        found: Ints = self._running[np.searchsorted(self._places, place, side="right")]
        return found

    def calls_in(self, series: Ints, after: Ints, through: Ints) -> Ints:
        """Return the calls of each series in the minutes (after, through]."""
        return self.calls_through(series, through) - self.calls_through(series, after)

    def last_call(self, series: Ints, minute: Ints) -> Ints:
        """Return the last minute with a call up to each minute; -1 where there is none."""
        place = series * (self.days + 2) * DAY + minute
        entry = np.searchsorted(self._places, place, side="right") - 1
        own = (entry >= 0) & (self.series[np.maximum(entry, 0)] == series)
        return np.where(own, self.minute[np.maximum(entry, 0)], -1)

    @cached_property
    def day(self) -> Ints:
        """The day of each entry, from 0."""
        return self.minute // DAY

    @cached_property
    def hours(self) -> Floats:
        """(series, days, 24) calls per hour."""
        cell = (self.series * self.days + self.day) * 24 + self.minute % DAY // 60
        found = np.bincount(cell, self.calls, self.count * self.days * 24)
        return found.astype(np.float64).reshape(self.count, self.days, 24)

    @cached_property
    def first_day(self) -> Ints:
        """(series,) the day of the first call."""
        first = np.full(self.count, self.days, np.int64)
        np.minimum.at(first, self.series, self.day)
        return first

    def time(self, minute: int) -> dt.datetime:
        """Return the time at which a minute begins."""
        return self.start + dt.timedelta(minutes=int(minute))

    def minute_of(self, moment: dt.datetime) -> int:
        """Return the minute that holds a time."""
        return (moment - self.start) // dt.timedelta(minutes=1)

    def daily_maximum(self, values: Floats) -> Floats:
        """(series, days) the largest of the entries' values, 0 on days without one above 0."""
        found = np.zeros((self.count, self.days))
        np.maximum.at(found, (self.series, self.day), values)
        return found


def _logged_days(
    keys: pl.DataFrame, numbered: pl.DataFrame, hours: pa.Table | None, first: int, days: int
) -> Ints:
    begun = numbered.group_by("account_id").agg(day=pl.col("minute").min() // DAY)
    if hours is not None:
        logged = pl.DataFrame(pl.from_arrow(hours.select(["account_id", "hour"])))
        earlier = logged.group_by("account_id").agg(day=pl.col("hour").min() // 24)
        begun = pl.concat([begun, earlier]).group_by("account_id").agg(pl.col("day").min())
    found = keys.join(begun, on="account_id", how="left", nulls_equal=True, maintain_order="left")
    days_logged: Ints = np.clip(found["day"].to_numpy().astype(np.int64) - first // DAY, 0, days)
    return days_logged


@dataclass(frozen=True)
class Expectation:
    """Expected calls of each series by hour of each day, from the days before it.

    `per_minute` is (series, days, 24); `per_day` is (series, days), the decayed daily level.
    """

    per_minute: Floats
    per_day: Floats

    @cached_property
    def _running(self) -> Floats:
        flat = self.per_minute.reshape(len(self.per_minute), -1) * 60
        return np.concatenate((np.zeros((len(flat), 1)), np.cumsum(flat, axis=1)), axis=1)

    def through(self, series: Ints, minute: Ints) -> Floats:
        """Expected calls from the start up to and including a minute."""
        after = np.maximum(minute + 1, 0)
        hour = np.minimum(after // 60, self._running.shape[1] - 1)
        rate = self.per_minute.reshape(len(self.per_minute), -1)
        part = np.where(after % 60, rate[series, np.minimum(hour, rate.shape[1] - 1)], 0.0)
        found: Floats = self._running[series, hour] + part * (after % 60)
        return found

    def within(self, series: Ints, minute: Ints, window: int) -> Floats:
        """Expected calls in the minutes (minute - window, minute]."""
        return self.through(series, minute) - self.through(series, minute - window)


def expect(series: Series, masked: npt.NDArray[np.bool_]) -> Expectation:
    """Estimate each day from up to 28 days before it: hour of day, weekday or weekend, level.

    Args:
        masked: (series, days) days whose logs have holes; they teach nothing.
    """
    hours = series.hours
    rates = np.zeros_like(hours)
    levels = np.zeros(hours.shape[:2])
    weekend = _weekends(series)
    expected_days = np.zeros(hours.shape[:2])
    for day in range(1, series.days):
        first = max(0, day - HISTORY_DAYS)
        past = np.arange(first, day)
        known = ~masked[:, past] & (past >= series.logged_day[:, None])
        weights = 0.5 ** ((day - 1 - past) / _HALF_LIFE_DAYS) * known
        total = np.maximum(weights.sum(axis=1), 1e-9)
        weighted = hours[:, past] * weights[:, :, None]
        level = weighted.sum(axis=(1, 2)) / 24 / total
        by_hour = (weighted.sum(axis=1) + _LEVEL_WEIGHT * level[:, None]) / (total + _LEVEL_WEIGHT)[
            :, None
        ]
        same = weights * (weekend[past] == weekend[day])
        seen = (hours[:, past] * same[:, :, None]).sum(axis=1)
        profile = (seen + _DAYTYPE_WEIGHT * by_hour) / (same.sum(axis=1) + _DAYTYPE_WEIGHT)[:, None]
        recent = slice(max(1, day - 3), day)
        lately = hours[:, recent].sum(axis=(1, 2)) + _RECENT
        ratio = np.clip(lately / (expected_days[:, recent].sum(axis=1) + _RECENT), 1 / 3, 3)
        rates[:, day] = profile * np.sqrt(ratio)[:, None] / 60
        levels[:, day] = level * 24
        expected_days[:, day] = profile.sum(axis=1)
    return Expectation(rates, levels)


def _weekends(series: Series) -> npt.NDArray[np.bool_]:
    first = series.start.weekday()
    return np.array([(first + day) % 7 >= 5 for day in range(series.days)])


def silent_days(
    series: Series, region_hours: pa.Table, until: dt.datetime
) -> npt.NDArray[np.bool_]:
    """(series, days) whether a day of the series' account and region has hours without any event
    where at least 20 are usual: logs are missing, or everything stood still.

    Args:
        region_hours: account_id, aws_region, hour (since 1970), calls.
        until: where the logs end; later hours are not silent but unknown.
    """
    frame = pl.DataFrame(pl.from_arrow(region_hours))
    pair = ["account_id", "aws_region"]
    pairs = frame.select(pair).unique().sort(pair).with_row_index("pair")
    numbered = frame.join(pairs, on=pair, nulls_equal=True)
    first = (series.start - _EPOCH) // dt.timedelta(hours=1)
    hours = numbered["hour"].to_numpy() - first
    grid: Floats = np.zeros((len(pairs), series.days * 24))
    inside = (hours >= 0) & (hours < series.days * 24)
    grid[numbered["pair"].to_numpy()[inside], hours[inside]] = numbered["calls"].to_numpy()[inside]
    grid = grid.reshape(len(pairs), series.days, 24)
    silent = np.zeros(grid.shape[:2], np.bool_)
    for day in range(WARM_DAYS, series.days):
        usual = np.median(grid[:, max(0, day - HISTORY_DAYS) : day], axis=1)
        known = (np.arange(24) + day * 24 + 1) * 60 <= series.minute_of(until)
        silent[:, day] = ((grid[:, day] == 0) & (usual >= _SILENT_HOUR_CALLS) & known).any(axis=1)
    place = series.keys.join(pairs, on=pair, how="left", nulls_equal=True, maintain_order="left")
    found: npt.NDArray[np.bool_] = silent[place["pair"].fill_null(0).to_numpy()]
    return found
