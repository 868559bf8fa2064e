"""Calls of many series as arrays: sparse by the minute, sparse by the day.

Series are numbered by their sorted keys, minutes and days from the midnight at which a span begins;
so the same events give the same arrays, in whatever order they were read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ctanalytics.detectors.numbering import Numbering
from ctanalytics.records.series_tables import KEYS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Hours = npt.NDArray[np.int32]
"""Half as large as Ints: there are many of them."""

DAY: Final = 1_440
HISTORY_DAYS: Final = 28
POOL_DAYS: Final = 14
WARM_DAYS: Final = 7
"""Of an account's logs, before the maxima of its series say anything."""

SURGE_WINDOWS: Final = (5, 15, 60, 360, 1_440)
DROP_WINDOWS: Final = (60, 360)
"""Minutes."""

NANO: Final = 1e-9
NO_LOOK: Final = np.iinfo(np.int64).min
"""Stands for "none" among stored deviations."""

_NUMBER: Final = "series"
_TABLES: Final = 8


@dataclass(frozen=True)
class Axis:
    """Whole UTC days in a row, counted from 0."""

    start: dt.datetime
    """A midnight."""
    days: int

    def time(self, minute: int) -> dt.datetime:
        """Return the time at which a minute begins."""
        return self.start + dt.timedelta(minutes=int(minute))

    def minute(self, moment: dt.datetime) -> int:
        """Return the minute that holds a time."""
        return (moment - self.start) // dt.timedelta(minutes=1)

    def day(self, moment: dt.datetime) -> int:
        """Return the day that holds a time."""
        return self.minute(moment) // DAY

    def date(self, day: int) -> dt.date:
        """Return a day's date."""
        return (self.start + dt.timedelta(days=int(day))).date()

    def dates(self, first: int, after: int) -> list[dt.date]:
        """Return the dates of the days first <= d < after."""
        return [self.date(day) for day in range(first, after)]


class Judging(Protocol):
    """Series of which some days are to be judged, wherever what is known of them lies."""

    @property
    def axis(self) -> Axis:
        """The days of it all."""
        ...

    @property
    def first_day(self) -> int:
        """The first day to judge; the last is that of the axis."""
        ...

    @property
    def end_minute(self) -> int:
        """Where the logs end: silence beyond is unknown."""
        ...

    def active(self, day: int) -> int:
        """Return how many series had a call in the 28 days up to a day; at least 1."""
        ...


@dataclass(frozen=True)
class Keys:
    """The series of a span, in the order of their keys."""

    frame: pl.DataFrame

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> Keys:
        """Number the series of some tables that have the columns KEYS."""
        keys, rest = pa.table({name: pa.array([], pa.string()) for name in KEYS}), iter(tables)
        # A few days at a time: all of them would not fit into memory together.
        while some := list(islice(rest, _TABLES)):
            keys = Numbering.of([keys, *some], KEYS).table()
        frame = pl.DataFrame(pl.from_arrow(keys), schema=dict.fromkeys(KEYS, pl.String))
        return cls(frame.with_row_index(_NUMBER))

    @cached_property
    def _numbering(self) -> Numbering:
        return Numbering.of([self.frame.select(KEYS).to_arrow()], KEYS)

    @property
    def count(self) -> int:
        """How many series there are."""
        return len(self.frame)

    def numbers(self, table: pa.Table) -> Ints:
        """Return the number of each row's series."""
        return self._numbering.find(table)

    def key(self, number: int) -> dict[str, str | None]:
        """Return the key of a series."""
        row = self.frame.row(number, named=True)
        return {name: row[name] for name in KEYS}

    @cached_property
    def accounts(self) -> tuple[list[str | None], Ints]:
        """The accounts in their order, and each series' place among them."""
        every = self.frame.select(KEYS[:1]).to_arrow()
        found = Numbering.of([every], KEYS[:1])
        return found.table()[KEYS[0]].to_pylist(), found.find(every)


@dataclass(frozen=True)
class Minutes:
    """Calls per minute: one entry for each minute with a call, by series, then minute.

    A minute counts from the start of the axis, and may lie before it.
    """

    series: Ints
    minute: Ints
    calls: Ints
    days: int
    """Of the axis."""

    @property
    def _stride(self) -> int:
        return (self.days + 4) * DAY

    @cached_property
    def places(self) -> Ints:
        """Series and minute in one number, ascending."""
        return self.series * self._stride + self.minute

    @cached_property
    def running(self) -> Ints:
        """Calls of all entries before each, and of all."""
        return np.concatenate((np.zeros(1, np.int64), np.cumsum(self.calls)))

    @cached_property
    def day(self) -> Ints:
        """The day of each entry."""
        return self.minute // DAY

    def calls_through(self, series: Ints, minute: Ints) -> Ints:
        """Return the calls of each series up to and including a minute."""
        bounded = np.clip(minute, -2 * DAY, (self.days + 1) * DAY)
        place = series * self._stride + bounded
        found: Ints = self.running[np.searchsorted(self.places, place, side="right")]
        return found

    def calls_in(self, series: Ints, after: Ints, through: Ints) -> Ints:
        """Return the calls of each series in the minutes (after, through]."""
        return self.calls_through(series, through) - self.calls_through(series, after)

    def last_call(self, series: Ints, minute: Ints) -> Ints:
        """Return the last minute with a call up to each minute; -1 where there is none."""
        entry = np.searchsorted(self.places, series * self._stride + minute, side="right") - 1
        if not len(self.series):
            return np.full(len(series), -1)
        own = (entry >= 0) & (self.series[np.maximum(entry, 0)] == series)
        return np.where(own, self.minute[np.maximum(entry, 0)], -1)

    def within(self, series: Ints, first: int, after: int) -> Ints:
        """Return which entries are of some series (ascending) and of the minutes first <= m < after."""
        begin, end = (
            np.searchsorted(self.places, series * self._stride + minute)
            for minute in (first, after)
        )
        count = end - begin
        return np.repeat(end - np.cumsum(count), count) + np.arange(count.sum())

    def of(self, chosen: Ints) -> Minutes:
        """Return the entries of some series, which keep their numbers."""
        kept = self.within(chosen, -2 * DAY, (self.days + 1) * DAY)
        return Minutes(self.series[kept], self.minute[kept], self.calls[kept], self.days)

    def until(self, minute: int) -> Minutes:
        """Return the entries before a minute."""
        return (
            self if not len(self.minute) or self.minute.max() < minute else self.between(0, minute)
        )

    def between(self, first: int, after: int) -> Minutes:
        """Return the entries of the minutes first <= m < after."""
        kept = (self.minute >= first) & (self.minute < after)
        return Minutes(self.series[kept], self.minute[kept], self.calls[kept], self.days)


@dataclass(frozen=True)
class DayRows:
    """What a day's minutes add up to, of the series with a call; minutes of the day."""

    series: Ints
    """Ascending."""
    hours: Hours
    """(rows, 24) calls."""
    first: Ints
    last: Ints
    gap: Ints
    gap_at: Ints


@dataclass(frozen=True)
class PeakRows:
    """A day's largest deviations, of the series that had a look; in units of NANO, or NO_LOOK."""

    series: Ints
    """Ascending."""
    most: Ints
    """(rows, windows) the most calls in each surge window."""
    surge: Ints
    """(rows, windows) the largest y."""
    held: Ints
    """(rows, windows) the largest y of looks with calls enough to page."""
    drop: Ints
    """(rows, drop windows) the largest y below."""


def add_up(series: Ints, minute: Ints, calls: Ints) -> DayRows:
    """Add up a day's entries, by series, then minute of the day."""
    first = np.flatnonzero(np.diff(series, prepend=-1))
    last = np.append(first[1:], len(series)) - 1 if len(first) else first
    row = np.cumsum(np.diff(series, prepend=-1) != 0) - 1
    hours = np.zeros((len(first), 24), np.int32)
    np.add.at(hours, (row, minute // 60), calls)
    gap, gap_at = np.zeros(len(first), np.int64), np.zeros(len(first), np.int64)
    later = np.flatnonzero(row[1:] == row[:-1]) + 1
    gaps = minute[later] - minute[later - 1] - 1
    # Ascending, so that the largest gap of a series is written last.
    order = np.argsort(gaps, kind="stable")
    gap[row[later[order]]] = gaps[order]
    gap_at[row[later[order]]] = minute[later[order] - 1] + 1
    return DayRows(series[first], hours, minute[first], minute[last], gap, gap_at)


def nano(values: Floats) -> Ints:
    """Round to units of NANO; what is not finite is NO_LOOK."""
    known = np.isfinite(values)
    whole = np.rint(np.where(known, values, 0.0) / NANO).astype(np.int64)
    return np.where(known, whole, NO_LOOK)


def from_nano(values: Ints) -> Floats:
    """The opposite of `nano`; NO_LOOK is -inf."""
    return np.where(values == NO_LOOK, -np.inf, values * NANO)


def minutes_of(keys: Keys, axis: Axis, tables: Iterable[tuple[dt.date, pa.Table]]) -> Minutes:
    """Join the minutes of some days (tables of series_minute) to one."""
    parts: list[tuple[Ints, Ints, Ints]] = []
    for date, table in tables:
        day = (date - axis.start.date()).days
        parts.append(
            (
                keys.numbers(table),
                table["minute"].to_numpy().astype(np.int64) + day * DAY,
                table["calls"].to_numpy().astype(np.int64),
            )
        )
    nothing = np.zeros(0, np.int64)
    series, minute, calls = (
        np.concatenate(column) if column else nothing
        for column in (list(zip(*parts, strict=True)) or ((), (), ()))
    )
    # Sorted by their days already, and mostly within them.
    order = np.argsort(series * (axis.days + 4) * DAY + minute, kind="stable")
    return Minutes(series[order], minute[order], calls[order], axis.days)


def day_rows(keys: Keys, table: pa.Table) -> DayRows:
    """Take a day of series_day."""
    number = keys.numbers(table)
    order = _ascending(number)
    columns = [
        table[name].to_numpy().astype(np.int64)[order]
        for name in ("first_minute", "last_minute", "gap_minutes", "gap_minute")
    ]
    hours = _lists(table, "hours", 24).astype(np.int32)[order]
    return DayRows(number[order], hours, *columns)


def peak_rows(keys: Keys, table: pa.Table) -> PeakRows:
    """Take a day of series_peak."""
    number = keys.numbers(table)
    order = _ascending(number)
    surges, drops = len(SURGE_WINDOWS), len(DROP_WINDOWS)
    return PeakRows(
        number[order],
        _lists(table, "most_calls", surges)[order],
        _lists(table, "surge", surges)[order],
        _lists(table, "surge_held", surges)[order],
        _lists(table, "drop", drops)[order],
    )


def _ascending(number: Ints) -> Ints | slice:
    """The order of some numbers; files of ours have it already."""
    return slice(None) if (np.diff(number) > 0).all() else np.argsort(number, kind="stable")


def _lists(table: pa.Table, name: str, width: int) -> Ints:
    values = table[name].combine_chunks().flatten()
    if values.null_count:
        values = values.fill_null(NO_LOOK)
    found: Ints = values.to_numpy(zero_copy_only=False).reshape(-1, width)
    return found


def lists(values: Ints | Hours) -> pa.Array:
    """Return (rows, n) integers as lists, NO_LOOK as null."""
    flat = values.ravel().astype(np.int64)
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(flat, pa.int64(), mask=flat == NO_LOOK)
    )
