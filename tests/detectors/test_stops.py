"""Silences that grow, and series that slow down."""

from __future__ import annotations

import numpy as np
import pytest

from ctanalytics.detectors import drops, stops
from ctanalytics.detectors.fewer import Fewer
from ctanalytics.detectors.history import History
from ctanalytics.detectors.series import DAY
from tests.detectors.histories import history

DAYS = 32
END = DAYS * DAY
FIRST_DAY = 28


def made(*series: np.ndarray, masked: tuple[int, ...] = (), end: int | None = None) -> History:
    return history(list(series), DAYS, first_day=FIRST_DAY, masked=masked, end=end)


def at(history: History, minute: int) -> int:
    """A minute of the series on the axis of the history."""
    return minute + (history.first_day - FIRST_DAY) * DAY


def beat(every: int, *, shift: int = 0) -> np.ndarray:
    rng = np.random.default_rng(every + shift)
    regular = np.arange(shift, END - 5, every)
    return np.unique(regular + rng.integers(0, 3, len(regular)))


def without(minutes: np.ndarray, start: int, end: int) -> np.ndarray:
    return minutes[(minutes < start) | (minutes >= end)]


@pytest.fixture(scope="module")
def silent() -> History:
    steady = [beat(7, shift=number) for number in range(30)]
    return made(without(beat(5), 30 * DAY + 300, 30 * DAY + 900), *steady)


def test_a_silence_scores_the_more_the_longer_it_lasts(silent: History) -> None:
    looks = stops.look(silent)
    assert set(looks.series) == {0}
    start = at(silent, 30 * DAY + 300)
    during = (looks.minute >= start) & (looks.minute < start + 600)
    assert during.all()
    assert (np.diff(looks.score) >= 0).all()


def test_what_is_scored_live_is_what_is_found_afterwards(silent: History) -> None:
    looks = stops.look(silent)
    theta = float(looks.score[len(looks.score) // 2])
    (found,) = stops.find(silent, theta)
    assert found.start - 1 <= looks.minute[0] < found.end
    first = int(looks.minute[looks.score >= theta][0])
    assert first - 5 < found.fired - 1 <= first
    assert found.score >= looks.score.max()
    assert not stops.find(silent, found.score + 0.1)


def test_a_series_that_hardly_pauses_is_found_silent_within_the_hour(silent: History) -> None:
    (found,) = stops.find(silent, 4.0)
    assert 30 <= found.fired - found.start < 60


def test_a_silence_grows_by_the_calls_that_are_missing_and_not_by_night() -> None:
    office = np.concatenate(
        [np.arange(day * DAY + 480, day * DAY + 1_080, 5) for day in range(DAYS)]
    )
    gone = without(office, 30 * DAY + 720, 31 * DAY + 720)
    whole = made(gone, *(beat(7, shift=number) for number in range(30)))
    looks = stops.look(whole)
    score = dict(zip(looks.minute.tolist(), looks.score.tolist(), strict=True))
    late, early, noon = (score[at(whole, 31 * DAY + hour * 60 - 1)] for hour in (3, 8, 12))
    assert early == pytest.approx(late, abs=0.3)
    assert noon > early + 1


def test_series_that_can_neither_stop_nor_drop_take_nothing_of_the_budget(
    steady: list[np.ndarray],
) -> None:
    seldom = [np.arange(number, END, 2_000) for number in range(20)]
    few, many = made(*steady[:5]), made(*steady[:5], *seldom)
    assert Fewer.of(few).looks.tolist() == Fewer.of(many).looks.tolist()
    assert (Fewer.of(few).looks >= 5).all()


def test_one_stop_does_not_hide_the_next() -> None:
    twice = without(without(beat(5), 24 * DAY + 300, 24 * DAY + 900), 30 * DAY, 30 * DAY + 500)
    steady = [beat(7, shift=number) for number in range(30)]
    both = made(twice, *steady)
    alone = made(without(beat(5), 30 * DAY, 30 * DAY + 500), *steady)
    assert stops.find(both, 3.0)[-1].longest < 60
    assert stops.find(both, 3.0)[-1].start == stops.find(alone, 3.0)[-1].start


def test_a_silence_over_midnight_is_one_stop() -> None:
    gone = without(beat(5), 29 * DAY + 1_200, 30 * DAY + 600)
    whole = made(gone, *(beat(7, shift=number) for number in range(30)))
    (found,) = stops.find(whole, 3.0)
    assert abs(found.start - at(whole, 29 * DAY + 1_200)) <= 5
    assert abs(found.end - at(whole, 30 * DAY + 600)) <= 5


@pytest.fixture(scope="module")
def slow() -> np.ndarray:
    start = 30 * DAY + 300
    rest = without(beat(2), start, start + 240)
    return np.sort(np.concatenate((rest, np.arange(start, start + 240, 16))))


@pytest.fixture(scope="module")
def steady() -> list[np.ndarray]:
    return [beat(2, shift=number) for number in range(40)]


@pytest.fixture(scope="module")
def slowed(slow: np.ndarray, steady: list[np.ndarray]) -> History:
    return made(slow, *steady)


def test_a_series_that_slows_down_is_found_and_no_other(slowed: History) -> None:
    start = at(slowed, 30 * DAY + 300)
    (drop,) = [found for found in drops.find(slowed, 3.0) if found.window == 60]
    assert (drop.series, drop.is_open) == (0, False)
    assert start - 60 <= drop.start <= start + 60
    assert start + 180 <= drop.end <= start + 320
    assert drop.calls < 0.5 * drop.expected


def test_a_drop_that_goes_on_is_open(slow: np.ndarray, steady: list[np.ndarray]) -> None:
    until = 30 * DAY + 480
    cut = made(slow, *steady, end=until)
    (drop,) = drops.find(cut, 3.0)
    assert drop.is_open
    assert drop.end <= at(cut, until)


def test_a_series_that_pauses_for_half_a_day_is_never_judged() -> None:
    nightly = np.concatenate([np.arange(day * DAY, day * DAY + 700) for day in range(DAYS)])
    series = made(without(nightly, 30 * DAY + 300, 30 * DAY + 500), beat(3))
    assert {drop.series for drop in drops.find(series, 0.1)} <= {1}


def test_masked_days_are_not_judged(slow: np.ndarray, steady: list[np.ndarray]) -> None:
    assert not drops.find(made(slow, *steady, masked=(30,)), 3.0)
