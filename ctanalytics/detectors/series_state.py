"""Brings series_minute, series_day and series_peak up to date, day by day, and no day that is.

    events of d ─> minutes of d ─> day of d ┐
    hours of all events of d-60..d ─────────┼─> peaks of d
    minutes of d-2..d, days of d-32..d-1 ───┘

A late log file changes the minutes of its day; what depends on them is made again in the order of
the days, and what came out the same changes nothing further on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from ctanalytics.detectors import expectation, logged
from ctanalytics.detectors.calendars import Calendars
from ctanalytics.detectors.confirmed import Confirmed
from ctanalytics.detectors.expectation import Expected, Expecting, Past
from ctanalytics.detectors.peaks import peaks
from ctanalytics.detectors.series import (
    Axis,
    Keys,
    PeakRows,
    add_up,
    day_rows,
    lists,
    minutes_of,
)
from ctanalytics.engines import statements
from ctanalytics.engines.duckdb import Engine
from ctanalytics.lake.derived import NOTHING, Derived, hash_of
from ctanalytics.lake.layout import TABLES
from ctanalytics.records.series_tables import KEYS

ALL: Final = "all"
"""The kind that counts every event of an account and region, by the hour."""

CELLS: Final = "cells"
"""The kind that counts every event of an account and region, by the minute."""

_STATEMENTS: Final = {ALL: "detectors/region_minutes", CELLS: "detectors/cell_minutes"}

REACH_DAYS: Final = expectation.REACH_DAYS + 1
"""A day's peaks look so many days back: windows reach into the day before, and what is to be
expected of that one into the days before it."""

_VERSION: Final = 1
"""Of the formulas: other ones make all days anew."""

BLOCK_DAYS: Final = 7
"""Days whose minutes are in memory at once, at the most."""
_BLOCK_SERIES_DAYS: Final = 200_000
_BY_PRINCIPAL: Final = "_by_principal"


Read = Callable[[str, Iterable[dt.date], str], Iterator[tuple[dt.date, pa.Table]]]
"""Reads a table of the state: as `Derived.read`."""


@dataclass(frozen=True)
class Days:
    """What is known of a kind's series on the days of an axis."""

    axis: Axis
    keys: Keys
    logged: logged.Logged
    past: Past
    calendars: Calendars


@dataclass
class State:
    """The state of the series of a lake, through an engine that reads its events.

    Args:
        until: where the logs end; a day that is not over by then is made, but not kept.
    """

    engine: Engine
    derived: Derived
    calendars: Calendars
    until: dt.datetime
    confirmed: Confirmed = field(default_factory=lambda: Confirmed([]))

    def count(self, kind: str, dates: Sequence[dt.date]) -> None:
        """Make the minutes of dates that are not up to date, a run of dates at a time."""
        whole = [date for date in dates if not self._is_partial(date)]
        self._count_whole(kind, [date for date in whole if self._is_stale(kind, date)])
        for date in (date for date in dates if self._is_partial(date)):
            rows = counted(self.engine, kind, _midnight(date), self.until)
            self.derived.hold("series_minute", date, kind, rows.drop(["event_date"]))

    def _count_whole(self, kind: str, dates: Sequence[dt.date]) -> None:
        for first, last in _runs(dates):
            end = _midnight(last) + dt.timedelta(days=1)
            rows = counted(self.engine, kind, _midnight(first), end)
            for date, part in by_date(rows, first, last):
                self.derived.put("series_minute", date, kind, self._source(kind, date), part)

    def _is_partial(self, date: dt.date) -> bool:
        return _midnight(date) <= self.until < _midnight(date) + dt.timedelta(days=1)

    def _is_stale(self, kind: str, date: dt.date) -> bool:
        source = self.derived.source(date)
        # What expired with its events still tells what was usual.
        return source != NOTHING and not self.derived.is_made(
            "series_minute", date, kind, self._source(kind, date)
        )

    def _source(self, kind: str, date: dt.date) -> str:
        text = statements.statement(_statement(kind))
        return hash_of(_VERSION, kind, text, self.derived.source(date))

    def add_up(self, kind: str, dates: Sequence[dt.date]) -> None:
        """Make the days of dates whose minutes have changed."""
        for date in dates:
            minutes = self.derived.content("series_minute", date, kind)
            inputs = day_inputs(minutes)
            if minutes == NOTHING or self.derived.is_made("series_day", date, kind, inputs):
                continue
            ((_, rows),) = self.derived.read("series_minute", [date], kind)
            self._keep("series_day", date, kind, inputs, day_table(kind, rows))

    def count_all(self, kind: str, axis: Axis) -> None:
        """Bring the minutes and days of an axis up to date."""
        dates = axis.dates(0, axis.days)
        further = axis.dates(-logged.REACH_DAYS, 0)
        self.count(ALL, [*further, *dates])
        self.count(kind, dates)
        self.add_up(kind, dates)

    def days(self, kind: str, axis: Axis) -> Days:
        """Read the days of an axis, which are up to date."""
        return days_of(self.derived.read, kind, axis, self.until, self.calendars, self.confirmed)

    def raise_peaks(self, kind: str, days: Days, first: int, after: int) -> None:
        """Make the peaks of the days first <= d < after that are not up to date, in their order."""
        whole, begun = self._stale(kind, days.axis, first, after)
        self._raise_whole(kind, days, whole)
        for day, rows in self._peaks(kind, days, begun):
            self.derived.hold("series_peak", days.axis.date(day), kind, rows)

    def _stale(
        self, kind: str, axis: Axis, first: int, after: int
    ) -> tuple[dict[int, str], list[int]]:
        """Days whose peaks are to be made: whole ones, each with the hash of what it is made from,
        and those that are not over."""
        wanted = {day: self._inputs(kind, axis, day) for day in range(first, after)}
        stale = {
            day: inputs
            for day, inputs in wanted.items()
            if not self.derived.is_made("series_peak", axis.date(day), kind, inputs)
            and self.derived.content("series_day", axis.date(day), kind) != NOTHING
        }
        begun = [day for day in stale if self._is_partial(axis.date(day))]
        return {day: inputs for day, inputs in stale.items() if day not in begun}, begun

    def _raise_whole(self, kind: str, days: Days, stale: Mapping[int, str]) -> None:
        for day, rows in self._peaks(kind, days, list(stale)):
            self.derived.put("series_peak", days.axis.date(day), kind, stale[day], rows)

    def _peaks(
        self, kind: str, days: Days, wanted: Sequence[int]
    ) -> Iterator[tuple[int, pa.Table]]:
        expecting = Expecting(days.past)
        for first, after in blocks(wanted, days.keys.count):
            yield from peaks_of(self.derived.read, kind, days, expecting, first, after, self.until)

    def _inputs(self, kind: str, axis: Axis, day: int) -> str:
        dates = axis.dates(day - REACH_DAYS, day + 1)
        hours = axis.dates(day - logged.REACH_DAYS, day + 1)
        return hash_of(
            _VERSION,
            self.calendars.signature,
            self.confirmed.signature(kind, dates[0], dates[-1]),
            *(self.derived.content("series_minute", date, kind) for date in dates),
            *(self.derived.content("series_minute", date, ALL) for date in hours),
        )

    def _keep(self, table: str, date: dt.date, kind: str, inputs: str, rows: pa.Table) -> None:
        if self._is_partial(date):
            self.derived.hold(table, date, kind, rows)
        else:
            self.derived.put(table, date, kind, inputs, rows)


def counted(engine: Engine, kind: str, since: dt.datetime, until: dt.datetime) -> pa.Table:
    """Count the calls of a kind of series by date, series and minute."""
    base = kind.removesuffix(_BY_PRINCIPAL)
    rows = engine.run(
        _statement(kind), since=since, until=until, kind=base, by_principal=base != kind
    )
    return rows.append_column("kind", pa.repeat(pa.scalar(kind), rows.num_rows))


def days_of(
    read: Read,
    kind: str,
    axis: Axis,
    until: dt.datetime,
    calendars: Calendars,
    confirmed: Confirmed,
) -> Days:
    """Read the days of an axis, from a state that is up to date."""
    dates = axis.dates(0, axis.days)
    keys = Keys.of(table for _, table in read("series_day", dates, kind))
    hours = read("series_minute", axis.dates(-logged.REACH_DAYS, axis.days), ALL)
    known = logged.logged(keys, axis, hours, until)
    rows = {
        (date - axis.start.date()).days: day_rows(keys, table)
        for date, table in read("series_day", dates, kind)
    }
    off, calendar = calendars.off(axis), calendars.of(keys)
    unlearned = known.masked | confirmed.days(kind, keys, axis)
    past = Past(keys.count, rows, known.age, unlearned, off, calendar)
    return Days(axis, keys, known, past, calendars)


def peaks_of(
    read: Read,
    kind: str,
    days: Days,
    expecting: Expecting,
    first: int,
    after: int,
    until: dt.datetime,
) -> Iterator[tuple[int, pa.Table]]:
    """Yield the peaks of the days first <= d < after as rows of series_peak."""
    minutes = minutes_of(
        days.keys, days.axis, read("series_minute", days.axis.dates(first - 2, after), kind)
    )
    expected = expected_days(expecting, first - 1, after)
    found = peaks(minutes, expected, first, after, days.axis.minute(until))
    for day, rows in found.items():
        yield day, peak_table(kind, days.keys, rows)


def day_inputs(minutes: str) -> str:
    """Return the hash of what a day is made from: minutes of this content."""
    return hash_of(_VERSION, minutes)


def expected_days(expecting: Expecting, first: int, after: int) -> Expected:
    """Return what is to be expected on the days first <= d < after."""
    return Expected(first, np.stack([expecting.day(day) for day in range(first, after)], axis=1))


def day_table(kind: str, minutes: pa.Table) -> pa.Table:
    """Add up a day's minutes (of series_minute, in the order of their keys) by series."""
    keys = Keys.of([minutes])
    columns = (minutes[name].to_numpy().astype(np.int64) for name in ("minute", "calls"))
    rows = add_up(keys.numbers(minutes), *columns)
    return _table(
        "series_day",
        kind,
        keys.frame,
        {
            "hours": lists(rows.hours),
            "first_minute": pa.array(rows.first),
            "last_minute": pa.array(rows.last),
            "gap_minutes": pa.array(rows.gap),
            "gap_minute": pa.array(rows.gap_at),
        },
    )


def peak_table(kind: str, keys: Keys, rows: PeakRows) -> pa.Table:
    """Return a day's peaks as rows of series_peak."""
    return _table(
        "series_peak",
        kind,
        keys.frame[rows.series],
        {
            "most_calls": lists(rows.most),
            "surge": lists(rows.surge),
            "surge_held": lists(rows.held),
            "drop": lists(rows.drop),
        },
    )


def _table(table: str, kind: str, keys: pl.DataFrame, columns: dict[str, pa.Array]) -> pa.Table:
    named = {"kind": pa.repeat(pa.scalar(kind), len(keys))} | dict(
        zip(KEYS, keys.select(KEYS).to_arrow().columns, strict=True)
    )
    wanted = TABLES[table].file_schema()
    return pa.table(named | columns).select(wanted.names).cast(wanted)


def _statement(kind: str) -> str:
    return _STATEMENTS.get(kind, "detectors/series_minutes")


def _runs(dates: Sequence[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """First and last of each run of dates without a hole."""
    first = last = None
    for date in sorted(dates):
        if last is not None and first is not None and (date - last).days > 1:
            yield first, last
            first = None
        first, last = first or date, date
    if first is not None and last is not None:
        yield first, last


def blocks(days: Sequence[int], series: int) -> Iterator[tuple[int, int]]:
    """Runs of days, the shorter the more series there are: first, and the day after the last."""
    most = min(max(_BLOCK_SERIES_DAYS // max(series, 1), 1), BLOCK_DAYS)
    start = end = None
    for day in sorted(days):
        if start is not None and (day != end or day - start >= most):
            yield start, end or start
            start = None
        start, end = day if start is None else start, day + 1
    if start is not None and end is not None:
        yield start, end


def by_date(rows: pa.Table, first: dt.date, last: dt.date) -> Iterator[tuple[dt.date, pa.Table]]:
    """Each date of a run with its rows, which come in the order of the dates."""
    counts = dict(
        zip(
            *(column.to_pylist() for column in rows["event_date"].value_counts().flatten()),
            strict=True,
        )
    )
    place = 0
    for step in range((last - first).days + 1):
        date = first + dt.timedelta(days=step)
        count = counts.get(date, 0)
        yield date, rows.slice(place, count).drop(["event_date"])
        place += count


def _midnight(date: dt.date) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(), dt.UTC)
