"""Silences that grow, and series that slow down."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from ctanalytics.detectors import drops, stops
from ctanalytics.detectors.series import DAY, Series, expect

DAYS = 32
START = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
END = DAYS * DAY
FIRST = (START - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(minutes=1)


def made(*series: np.ndarray) -> Series:
    """Series of one call in each of the given minutes."""
    tables = [
        pa.table(
            {
                "account_id": ["111122223333"] * len(minutes),
                "aws_region": ["eu-west-1"] * len(minutes),
                "event_source": ["sqs.amazonaws.com"] * len(minutes),
                "event_name": [f"Call{number}"] * len(minutes),
                "error_code": pa.nulls(len(minutes), pa.string()),
                "minute": minutes + FIRST,
                "calls": np.ones(len(minutes), np.int64),
            }
        )
        for number, minutes in enumerate(series)
    ]
    return Series.from_minutes(pa.concat_tables(tables), START, DAYS)


def unmasked(series: Series) -> np.ndarray:
    return np.zeros((series.count, DAYS), np.bool_)


def beat(every: int, *, shift: int = 0) -> np.ndarray:
    rng = np.random.default_rng(every + shift)
    regular = np.arange(shift, END - 5, every)
    return np.unique(regular + rng.integers(0, 3, len(regular)))


def without(minutes: np.ndarray, start: int, end: int) -> np.ndarray:
    return minutes[(minutes < start) | (minutes >= end)]


@pytest.fixture(scope="module")
def silent() -> Series:
    steady = [beat(7, shift=number) for number in range(30)]
    return made(without(beat(5), 30 * DAY + 300, 30 * DAY + 900), *steady)


def test_a_silence_scores_the_more_the_longer_it_lasts(silent: Series) -> None:
    looks = stops.look(silent, unmasked(silent), first_day=28, end_minute=END)
    assert set(looks.series) == {0}
    during = (looks.minute >= 30 * DAY + 300) & (looks.minute < 30 * DAY + 900)
    assert during.all()
    assert (np.diff(looks.score) >= 0).all()


def test_what_is_scored_live_is_what_is_found_afterwards(silent: Series) -> None:
    mask = unmasked(silent)
    looks = stops.look(silent, mask, first_day=28, end_minute=END)
    theta = float(looks.score[len(looks.score) // 2])
    (found,) = stops.find(silent, mask, first_day=28, end_minute=END, theta=theta)
    assert found.start - 1 <= looks.minute[0] < found.end
    assert found.score >= looks.score.max()
    assert not stops.find(silent, mask, first_day=28, end_minute=END, theta=found.score + 0.1)


@pytest.fixture(scope="module")
def slowed() -> Series:
    steady = [beat(2, shift=number) for number in range(40)]
    start = 30 * DAY + 300
    fewer = np.concatenate(
        (without(beat(2), start, start + 240), np.arange(start, start + 240, 16))
    )
    return made(np.sort(fewer), *steady)


def test_a_series_that_slows_down_is_found_and_no_other(slowed: Series) -> None:
    mask = unmasked(slowed)
    start = 30 * DAY + 300
    found = drops.find(slowed, expect(slowed, mask), mask, first_day=28, end_minute=END, theta=3.0)
    (drop,) = [found for found in found if found.window == 60]
    assert (drop.series, drop.is_open) == (0, False)
    assert start - 60 <= drop.start <= start + 60
    assert start + 180 <= drop.end <= start + 320
    assert drop.calls < 0.5 * drop.expected


def test_a_drop_that_goes_on_is_open(slowed: Series) -> None:
    mask = unmasked(slowed)
    until = 30 * DAY + 480
    (drop,) = drops.find(
        slowed, expect(slowed, mask), mask, first_day=28, end_minute=until, theta=3.0
    )
    assert drop.is_open
    assert drop.end <= until


def test_a_series_that_pauses_for_half_a_day_is_never_judged() -> None:
    nightly = np.concatenate([np.arange(day * DAY, day * DAY + 700) for day in range(DAYS)])
    series = made(without(nightly, 30 * DAY + 300, 30 * DAY + 500), beat(3))
    mask = unmasked(series)
    expected = expect(series, mask)
    found = drops.find(series, expected, mask, first_day=28, end_minute=END, theta=0.1)
    assert {drop.series for drop in found} <= {1}


def test_masked_days_are_not_judged(slowed: Series) -> None:
    mask = unmasked(slowed)
    mask[:, 30] = True
    expected = expect(slowed, mask)
    assert not drops.find(slowed, expected, mask, first_day=28, end_minute=END, theta=3.0)
