from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from ctanalytics.simulator import rhythms
from ctanalytics.simulator.rhythms import Day, Rhythm

MONDAY = Day(1, dt.date(2025, 10, 6), 1)
SUNDAY = Day(7, dt.date(2025, 10, 5), 1)


def _rng() -> np.random.Generator:
    return np.random.default_rng(4)


@pytest.mark.parametrize(
    "rhythm",
    [
        rhythms.steady,
        rhythms.customers,
        rhythms.office,
        rhythms.every(30),
        rhythms.nightly(1.5),
    ],
    ids=["steady", "customers", "office", "every", "nightly"],
)
def test_all_starts_lie_in_the_day(rhythm: Rhythm) -> None:
    times = rhythm(_rng(), MONDAY, 400)
    assert times.min() >= MONDAY.begin
    assert times.max() < MONDAY.begin + 86_400


@pytest.mark.parametrize(
    "rhythm", [rhythms.steady, rhythms.customers, rhythms.office], ids=lambda r: r.__name__
)
def test_a_week_has_about_as_many_starts_as_asked_for(rhythm: Rhythm) -> None:
    week = [Day(place, dt.date(2025, 10, 6) + dt.timedelta(place), 1) for place in range(7)]
    rng = _rng()
    assert sum(len(rhythm(rng, day, 500)) for day in week) / 7 == pytest.approx(500, rel=0.15)


def test_people_work_by_day_and_seldom_on_sundays() -> None:
    hours = (rhythms.office(_rng(), MONDAY, 1_000) - MONDAY.begin) // 3_600 + 4 + 1
    assert np.mean((hours >= 8) & (hours <= 19)) > 0.98
    assert len(rhythms.office(_rng(), SUNDAY, 1_000)) < 200


def test_the_clock_leaves_nothing_out() -> None:
    times = np.sort(rhythms.every(10)(_rng(), MONDAY, 144))
    assert len(times) == 144
    assert np.diff(times).max() < 11 * 60


def test_hours_before_four_belong_to_the_end_of_the_day() -> None:
    assert MONDAY.at(4) == MONDAY.begin
    assert MONDAY.at(3.5) == MONDAY.begin + 84_600
