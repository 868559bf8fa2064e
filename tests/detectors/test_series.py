from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.detectors import stops, surges
from ctanalytics.detectors.series import DAY, Series, expect, silent_days

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
FIRST = int(START.timestamp()) // 60
DAYS = 12

entries = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, DAYS * DAY - 1), st.integers(1, 9)),
    min_size=1,
    max_size=60,
    unique_by=lambda entry: entry[:2],
)


def build(rows: list[tuple[int, int, int]]) -> Series:
    table = pa.table(
        {
            "account_id": pa.array(["111122223333"] * len(rows)),
            "aws_region": pa.array(["eu-west-1"] * len(rows)),
            "event_source": pa.array(["ec2.amazonaws.com"] * len(rows)),
            "event_name": pa.array([f"Call{series}" for series, _, _ in rows]),
            "error_code": pa.nulls(len(rows), pa.string()),
            "minute": pa.array([FIRST + minute for _, minute, _ in rows], pa.int64()),
            "calls": pa.array([count for _, _, count in rows], pa.int64()),
        }
    )
    return Series.from_minutes(table, START, DAYS)


def dense(series: Series) -> np.ndarray:
    grid = np.zeros((series.count, DAYS * DAY))
    grid[series.series, series.minute] = series.calls
    return grid


@given(entries)
@settings(max_examples=40, deadline=None)
def test_window_counts_equal_those_of_a_dense_grid(rows: list[tuple[int, int, int]]) -> None:
    series = build(rows)
    grid = dense(series)
    for window in surges.WINDOWS:
        got = series.calls_in(series.series, series.minute - window, series.minute)
        want = [
            grid[who, max(0, minute - window + 1) : minute + 1].sum()
            for who, minute in zip(series.series, series.minute, strict=True)
        ]
        assert got.tolist() == want


@given(entries)
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_rows_does_not_matter(rows: list[tuple[int, int, int]]) -> None:
    one, other = build(rows), build(rows[::-1])
    assert one.keys.equals(other.keys)
    assert (one.minute == other.minute).all()
    assert (one.calls == other.calls).all()


@given(entries)
@settings(max_examples=30, deadline=None)
def test_the_longest_silence_of_a_day_equals_that_of_a_dense_grid(
    rows: list[tuple[int, int, int]],
) -> None:
    series = build(rows)
    silence, _ = stops._daily_silence(series, DAYS * DAY)
    for who, line in enumerate(dense(series) > 0):
        last = -1
        for day in range(DAYS):
            longest = 0
            for minute in range(day * DAY, (day + 1) * DAY):
                if line[minute]:
                    last = minute
                elif last >= 0:
                    longest = max(longest, minute - last)
            if last < 0:
                assert np.isnan(silence[who, day])
            else:
                assert silence[who, day] == longest


def test_a_flat_series_is_expected_at_its_level() -> None:
    series = build([(0, minute, 1) for minute in range(0, DAYS * DAY, 2)])
    expectation = expect(series, np.zeros((1, DAYS), np.bool_))
    minute = np.array([(DAYS - 1) * DAY + 700])
    assert abs(expectation.within(np.array([0]), minute, 60)[0] - 30) < 1


def test_hours_without_any_event_mask_their_day() -> None:
    series = build([(0, 0, 1)])
    first = int(START.timestamp()) // 3_600
    hours = [hour for hour in range(DAYS * 24) if not 10 * 24 + 3 <= hour < 10 * 24 + 6]
    table = pl.DataFrame(
        {
            "account_id": ["111122223333"] * len(hours),
            "aws_region": ["eu-west-1"] * len(hours),
            "hour": [first + hour for hour in hours],
            "calls": [50] * len(hours),
        }
    ).to_arrow()
    until = START + dt.timedelta(days=DAYS)
    assert np.flatnonzero(silent_days(series, table, until)[0]).tolist() == [10]
    # Hours after the end of the logs are unknown, not silent.
    until = START + dt.timedelta(days=10, hours=3)
    assert not silent_days(series, table, until).any()
