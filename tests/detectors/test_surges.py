from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pytest

from ctanalytics.detectors import rates, surges
from ctanalytics.detectors.series import DAY, WARM_DAYS, Series, expect

DAYS = 120
SINCE = 106
START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def bursty(first_day: int) -> Series:
    """The same series of 120 days with bursts every few weeks, read from a day on."""
    random = np.random.default_rng(4)
    names: list[str] = []
    minutes: list[int] = []
    for number in range(40):
        for _ in range(6):
            begin = int(random.integers(0, DAYS)) * DAY + 600
            minutes += (begin + np.arange(int(random.integers(20, 200))) // 4).tolist()
        minutes += random.integers(0, DAYS * DAY, 900).tolist()
        names += [f"Call{number:02d}"] * (len(minutes) - len(names))
    return series(names, np.asarray(minutes), first_day)


def series(names: list[str], minutes: npt.NDArray[np.int64], first_day: int) -> Series:
    kept = minutes >= first_day * DAY
    count = int(kept.sum())
    since_1970 = int(START.timestamp()) // 60
    table = pa.table(
        {
            "account_id": ["111122223333"] * count,
            "aws_region": ["eu-west-1"] * count,
            "event_source": ["ec2.amazonaws.com"] * count,
            "event_name": np.asarray(names)[kept],
            "error_code": pa.nulls(count, pa.string()),
            "minute": minutes[kept] + since_1970,
            "calls": np.ones(count, np.int64),
        }
    )
    keys = [name for name in table.column_names if name != "calls"]
    summed = table.group_by(keys).aggregate([("calls", "sum")]).rename_columns([*keys, "calls"])
    return Series.from_minutes(summed, START + dt.timedelta(days=first_day), DAYS - first_day)


def judged(first_day: int) -> list[tuple[Any, ...]]:
    """What the days from SINCE on show, at a threshold low enough to show much."""
    read = bursty(first_day)
    nothing = np.zeros((read.count, read.days), np.bool_)
    expectation = expect(read, nothing)
    found = surges.find(
        read,
        expectation,
        nothing,
        first_day=SINCE - first_day,
        end_minute=(DAYS - first_day) * DAY,
        theta=1.0,
    )
    return sorted(
        (one.series, read.time(one.start), read.time(one.end), one.score) for one in found
    )


@pytest.mark.parametrize("more", [0, 1, 9, 20])
def test_a_score_does_not_depend_on_what_lies_before_the_days_that_are_loaded(more: int) -> None:
    assert len(judged(0)) > 10
    assert judged(SINCE - rates._LOADED_DAYS - more) == judged(0)


@pytest.mark.parametrize("before", [0, 1, 13, 40])
def test_a_record_depends_on_the_28_days_before_alone(before: int) -> None:
    days = 90
    maxima = np.random.default_rng(2).exponential(size=(50, days)) ** 2

    def last(first_day: int) -> list[npt.NDArray[np.float64]]:
        part = maxima[:, first_day:]
        none = np.zeros(0, np.int64)
        keys = pl.DataFrame({"account_id": ["111122223333"] * 50})
        old = np.full(50, -WARM_DAYS)
        read = Series(keys, none, none, none, START, days - first_day, old)
        found = surges._history(read, part, np.zeros(part.shape, np.bool_))
        return [values[:, -1] for values in found]

    for ours, theirs in zip(last(days - 29 - before), last(0), strict=True):
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("age", [1, 14, 28])
def test_one_attack_does_not_raise_the_bar_for_the_next(age: int) -> None:
    maxima = np.full((1, 60), 0.5)
    maxima[0, 59 - age] = 6.0
    quiet = series(["Call"] * 60, np.arange(60) * DAY, 0)
    read = Series(
        quiet.keys, quiet.series, quiet.minute, quiet.calls, START, 60, np.zeros(1, np.int64)
    )
    record, _ = surges._history(read, maxima, np.zeros((1, 60), np.bool_))
    assert record[0, 59] < 0.5 + 3 * 0.3 + 1e-9
