"""Series in memory for tests: minutes in, a history out, with no lake and no engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from ctanalytics.detectors.history import AXIS_DAYS, History, from_minutes
from ctanalytics.detectors.series import DAY, Axis, Keys, Minutes
from ctanalytics.records.series_tables import KEYS

START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)  # a Monday
NO_MASK: tuple[int, ...] = ()


def keys_of(names: Sequence[str]) -> Keys:
    """Series of one account and region, by the names of their calls."""
    blank: dict[str, list[str | None]] = {name: [None] * len(names) for name in KEYS}
    columns = blank | {
        "account_id": ["111122223333"] * len(names),
        "aws_region": ["eu-west-1"] * len(names),
        "event_source": ["ec2.amazonaws.com"] * len(names),
        "event_name": list(names),
    }
    return Keys(
        pl.DataFrame(columns, schema=dict.fromkeys(KEYS, pl.String)).with_row_index("series")
    )


def minutes_in(series: Sequence[npt.NDArray[np.int64]], days: int) -> Minutes:
    """One call in each of the given minutes of each series; a minute given twice has two calls."""
    number = np.concatenate([np.full(len(one), place) for place, one in enumerate(series)])
    minute = np.concatenate([np.asarray(one, np.int64) for one in series])
    order = np.lexsort((minute, number))
    number, minute = number[order], minute[order]
    new = np.flatnonzero((np.diff(number, prepend=-1) != 0) | (np.diff(minute, prepend=-1) != 0))
    calls = np.diff(np.append(new, len(number)))
    return Minutes(number[new], minute[new], calls, days)


def history(
    series: Sequence[npt.NDArray[np.int64]],
    days: int,
    *,
    first_day: int,
    masked: Sequence[int] = NO_MASK,
    end: int | None = None,
    logged: int = 0,
    begin: int = 0,
) -> History:
    """Make a history whose axis begins AXIS_DAYS before `first_day`, or at 0 if that is earlier.

    Args:
        series: minutes with a call, from 0; days before 0 are added without a call.
        first_day: the first day to judge.
        masked: days with holes in the logs.
        end: the minute at which the logs end.
        logged: the first day with logs.
        begin: days from START to day 0.
    """
    earlier = max(AXIS_DAYS - first_day, 0)
    axis = Axis(START + dt.timedelta(days=begin - earlier), days + earlier)
    shifted = [np.asarray(one, np.int64) + earlier * DAY for one in series]
    count = len(series)
    age = np.tile(np.clip(np.arange(axis.days) - earlier - logged, 0, 59), (count, 1))
    mask = np.zeros((count, axis.days), np.bool_)
    mask[:, [day + earlier for day in masked]] = True
    return from_minutes(
        keys_of([f"Call{number:02d}" for number in range(count)]),
        axis,
        minutes_in(shifted, axis.days),
        first_day=first_day + earlier,
        age=age,
        masked=mask,
        end_minute=None if end is None else end + earlier * DAY,
    )
