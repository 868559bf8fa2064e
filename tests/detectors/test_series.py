from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.detectors import stops
from ctanalytics.detectors.calendars import Calendars
from ctanalytics.detectors.expectation import Expected
from ctanalytics.detectors.hourly import Hourly
from ctanalytics.detectors.logged import logged
from ctanalytics.detectors.peaks import LOCAL, looks
from ctanalytics.detectors.series import DAY, SURGE_WINDOWS, Axis, Keys, minutes_of
from ctanalytics.records.series_tables import KEYS
from ctanalytics.settings import Calendar
from tests.detectors.histories import START, history, keys_of

DAYS = 12

entries = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, DAYS * DAY - 1), st.integers(1, 9)),
    min_size=1,
    max_size=60,
    unique_by=lambda entry: entry[:2],
)


def table(rows: list[tuple[int, int, int]]) -> list[tuple[dt.date, pa.Table]]:
    """Rows of series_minute, by date."""
    found = []
    for day in range(DAYS):
        own = [
            (number, minute % DAY, calls) for number, minute, calls in rows if minute // DAY == day
        ]
        columns: dict[str, pa.Array] = {name: pa.nulls(len(own), pa.string()) for name in KEYS}
        columns["event_name"] = pa.array([f"Call{number}" for number, _, _ in own], pa.string())
        columns["minute"] = pa.array([minute for _, minute, _ in own], pa.int32())
        columns["calls"] = pa.array([calls for _, _, calls in own], pa.int64())
        found.append(((START + dt.timedelta(days=day)).date(), pa.table(columns)))
    return found


def dense(rows: list[tuple[int, int, int]]) -> np.ndarray:
    names = sorted({number for number, _, _ in rows})
    grid = np.zeros((len(names), DAYS * DAY))
    for number, minute, calls in rows:
        grid[names.index(number), minute] = calls
    return grid


@given(entries)
@settings(max_examples=40, deadline=None)
def test_window_counts_equal_those_of_a_dense_grid(rows: list[tuple[int, int, int]]) -> None:
    tables = table(rows)
    keys = Keys.of(one for _, one in tables)
    minutes = minutes_of(keys, Axis(START, DAYS), tables)
    nothing = Expected(0, np.zeros((keys.count, DAYS, 24)))
    grid = dense(rows)
    entries, by_window = looks(minutes, nothing, 0)
    assert entries.tolist() == list(range(len(minutes.series)))
    for window, found in by_window:
        now, usual = [], []
        for who, minute in zip(minutes.series, minutes.minute, strict=True):
            begin = minute - window + 1
            now.append(grid[who, max(0, begin) : minute + 1].sum())
            before = grid[who, max(0, begin - LOCAL[window]) : max(0, begin)].sum()
            usual.append(before * (window / LOCAL[window]))
        assert found.sums.tolist() == now
        assert found.expected.tolist() == usual


@given(entries)
@settings(max_examples=20, deadline=None)
def test_the_season_of_an_hour_is_that_of_its_minutes(rows: list[tuple[int, int, int]]) -> None:
    tables = table(rows)
    keys = Keys.of(one for _, one in tables)
    minutes = minutes_of(keys, Axis(START, DAYS), tables)
    first = int(minutes.minute.min()) // DAY
    rates = np.random.default_rng(1).uniform(0, 3, (keys.count, DAYS - first, 24))
    season = Expected(first, rates)
    hourly = Hourly(minutes, season, (first - 2) * DAY)
    now = hourly.moments(np.arange(len(minutes.series)))
    for earlier in (0, *SURGE_WINDOWS):
        want = season.through(minutes.series, minutes.minute - earlier)
        assert hourly.expected(now.earlier(earlier)).tolist() == want.tolist()


@given(entries)
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_rows_does_not_matter(rows: list[tuple[int, int, int]]) -> None:
    axis = Axis(START, DAYS)
    both = []
    for tables in (table(rows), table(rows[::-1])[::-1]):
        keys = Keys.of(one for _, one in tables)
        both.append((keys, minutes_of(keys, axis, tables)))
    (one, first), (other, second) = both
    assert one.frame.equals(other.frame)
    assert (first.places == second.places).all()
    assert (first.calls == second.calls).all()


@given(entries)
@settings(max_examples=30, deadline=None)
def test_the_longest_silence_of_a_day_equals_that_of_a_dense_grid(
    rows: list[tuple[int, int, int]],
) -> None:
    grid = dense(rows)
    made = history([np.flatnonzero(line) for line in grid], DAYS, first_day=DAYS - 1)
    seen = stops.silences(made).seen[:, -DAYS:]
    for who, line in enumerate(grid > 0):
        last = -1
        for day in range(DAYS):
            longest = 0
            for minute in range(day * DAY, (day + 1) * DAY):
                if line[minute]:
                    last = minute
                elif last >= 0:
                    longest = max(longest, minute - last)
            if last < 0:
                assert np.isnan(seen[who, day])
            else:
                assert seen[who, day] == longest


def test_a_flat_series_is_expected_at_its_level() -> None:
    made = history([np.arange(0, DAYS * DAY, 2)], DAYS, first_day=DAYS - 1)
    last = made.axis.days - 1
    minute = np.array([last * DAY + 700])
    assert abs(made.expected(last, last + 1).within(np.array([0]), minute, 60)[0] - 30) < 1


def hours_table(hours: dict[int, int]) -> list[tuple[dt.date, pa.Table]]:
    """Events of one account and region by the hour from START."""
    found = []
    for day in sorted({hour // 24 for hour in hours}):
        own = {hour % 24: calls for hour, calls in hours.items() if hour // 24 == day}
        frame = pl.DataFrame(
            {
                "account_id": ["111122223333"] * len(own),
                "aws_region": ["eu-west-1"] * len(own),
                "minute": [hour * 60 for hour in own],
                "calls": list(own.values()),
            }
        )
        found.append(((START + dt.timedelta(days=day)).date(), frame.to_arrow()))
    return found


def test_hours_without_any_event_mask_their_day() -> None:
    hours = {hour: 50 for hour in range(40 * 24) if not 30 * 24 + 3 <= hour < 30 * 24 + 6}
    axis = Axis(START, 40)
    keys = keys_of(["Call"])
    found = logged(keys, axis, hours_table(hours), START + dt.timedelta(days=40))
    assert np.flatnonzero(found.masked[0]).tolist() == [30]
    assert found.holes == [("111122223333", "eu-west-1", 30, 3)]
    # Hours after the end of the logs are unknown, not silent.
    until = START + dt.timedelta(days=30, hours=3)
    short = {hour: calls for hour, calls in hours.items() if hour < 30 * 24 + 3}
    assert not logged(keys, Axis(START, 31), hours_table(short), until).masked.any()


def test_an_account_is_as_old_as_its_first_log_within_reach() -> None:
    hours = dict.fromkeys(range(5 * 24, 40 * 24), 1)
    found = logged(
        keys_of(["Call"]), Axis(START, 40), hours_table(hours), START + dt.timedelta(days=40)
    )
    assert found.age[0, 4] == 0
    assert found.age[0, 5:8].tolist() == [0, 1, 2]
    assert found.first_days == {"111122223333": 5}


def test_a_weekend_is_where_its_people_live_and_a_holiday_is_one() -> None:
    calendars = Calendars(
        (
            Calendar(
                account=["1111*"], timezone="Asia/Tokyo", weekend=["sun"], holidays=["2026-01-06"]
            ),
            Calendar(),
        )
    )
    off = calendars.off(Axis(START, 7))  # from a Monday on
    assert calendars.of(keys_of(["Call"])).tolist() == [0]
    # Tokyo's Tuesday, a holiday, begins at 15:00 UTC on Monday.
    assert np.flatnonzero(off[0, 0]).tolist() == list(range(15, 24))
    assert np.flatnonzero(off[0, 1]).tolist() == list(range(15))
    assert off[0, 5].tolist() == [False] * 15 + [True] * 9
    assert off[1].any(axis=1).tolist() == [False] * 5 + [True] * 2
