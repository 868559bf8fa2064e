from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ctanalytics.detectors import own_record, surges
from ctanalytics.detectors.history import AXIS_DAYS, History
from ctanalytics.detectors.series import DAY, HISTORY_DAYS
from tests.detectors.histories import history

DAYS = 120
SINCE = 106


def bursty(first: int, series: int = 40) -> History:
    """The same series of 120 days with bursts every few weeks, read from a day on."""
    random = np.random.default_rng(4)
    found = []
    for _ in range(series):
        minutes: list[int] = []
        for _ in range(6):
            begin = int(random.integers(0, DAYS)) * DAY + 600
            minutes += (begin + np.arange(int(random.integers(20, 200))) // 4).tolist()
        minutes += random.integers(0, DAYS * DAY, 900).tolist()
        spots = np.sort(np.asarray(minutes))
        found.append(spots[spots >= first * DAY] - first * DAY)
    return history(found, DAYS - first, first_day=SINCE - first, logged=-60, begin=first)


def judged(first: int) -> list[tuple[Any, ...]]:
    """What the days from SINCE on show, at a threshold low enough to show much."""
    read = bursty(first)
    moved = first - (read.axis.days - (DAYS - first))
    return sorted(
        (one.series, one.start + moved * DAY, one.end + moved * DAY, one.record, one.score)
        for one in surges.find(surges.judge(read), 1.0)
    )


@pytest.mark.parametrize("more", [0, 9])
def test_a_score_does_not_depend_on_what_lies_before_the_days_that_are_loaded(more: int) -> None:
    assert len(judged(0)) > 10
    assert judged(SINCE - AXIS_DAYS - more) == judged(0)


def test_what_comes_later_changes_nothing_before_it() -> None:
    """The promise of a backtest: a day is judged by itself and what lies before it."""
    whole = bursty(0)
    end = (SINCE + 5) * DAY
    minutes = whole.minutes(0, DAYS)
    parts = [
        minutes.minute[(minutes.series == number) & (minutes.minute < end)]
        for number in range(whole.count)
    ]
    repeated = [
        np.repeat(part, minutes.calls[(minutes.series == number) & (minutes.minute < end)])
        for number, part in enumerate(parts)
    ]
    cut = history(repeated, SINCE + 5, first_day=SINCE, logged=-60)
    early, all_of_it = surges.judge(cut), surges.judge(whole)
    assert (early.scores == all_of_it.scores[:, :, :5]).all()


@pytest.mark.parametrize("before", [0, 1, 13, 40])
def test_a_record_depends_on_the_28_days_before_alone(before: int) -> None:
    maxima = np.random.default_rng(2).exponential(size=(50, 90)) ** 2

    def last(first_day: int) -> list[np.ndarray]:
        part = maxima[:, first_day:]
        age = np.full((50, part.shape[1] - HISTORY_DAYS), 59)
        return [values[:, -1] for values in own_record.records(part, age)]

    for ours, theirs in zip(last(90 - 29 - before), last(0), strict=True):
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("age", [1, 14, 28])
def test_one_attack_does_not_raise_the_bar_for_the_next(age: int) -> None:
    maxima = np.full((1, 60), 0.5)
    maxima[0, 59 - age] = 6.0
    record, _ = own_record.records(maxima, np.full((1, 60 - HISTORY_DAYS), 59))
    assert record[0, -1] < 0.5 + 3 * 0.3 + 1e-9


def test_the_first_week_of_an_account_says_nothing() -> None:
    maxima = np.zeros((1, 60))
    maxima[0, 52] = 9.0  # on the third day of its logs
    record, _ = own_record.records(maxima, np.full((1, 60 - HISTORY_DAYS), 9))
    assert record[0, -1] == 0.0


def test_where_there_are_days_enough_scores_promise_what_happens_on_them() -> None:
    read = bursty(SINCE - AXIS_DAYS, series=80)
    found = surges.judge(read)
    assert (found.shifts != 0).all()
    # What one series-day in a hundred is promised to reach, few and not none reach.
    share = (found.scores.max(axis=0) >= np.log10(surges.LOOKS / 0.01)).mean()
    assert 0.001 < share < 0.03
    # Of forty series there are too few days to tell.
    assert (surges.judge(bursty(SINCE - AXIS_DAYS)).shifts == 0).all()
