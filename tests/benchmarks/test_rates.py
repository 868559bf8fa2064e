"""The simulated rates, and how alarms on them are judged."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detection.rate_scores import Scores, ours
from benchmarks.detection.rate_simulation import DAY, DAYS, TEST_FROM, Calls, Incident, simulate
from benchmarks.detection.rates import at_budget, judge

START = TEST_FROM * DAY + 600


@pytest.fixture(scope="module")
def calls() -> Calls:
    return simulate(60, seed=3)


def alarms(*found: tuple[int, int, float]) -> Scores:
    series, minute, score = zip(*found, strict=True)
    return Scores(np.array(series), np.array(minute), np.array(score))


def quiet(*incidents: Incident) -> Calls:
    nothing = np.zeros(0, np.int64)
    return Calls(nothing, nothing, nothing, ["sparse"] * 5, list(incidents))


def test_a_seed_gives_the_same_calls_and_labels_again(calls: Calls) -> None:
    again = simulate(60, seed=3)
    assert again.incidents == calls.incidents
    assert np.array_equal(again.calls, calls.calls)
    assert simulate(60, seed=4).incidents != calls.incidents


def test_calls_are_sparse_sorted_and_within_the_span(calls: Calls) -> None:
    place = calls.series * DAYS * DAY + calls.minute
    assert (np.diff(place) > 0).all()
    assert (calls.calls > 0).all()
    assert calls.minute.max() < DAYS * DAY


def test_incidents_lie_in_the_test_weeks(calls: Calls) -> None:
    assert calls.incidents
    for incident in calls.incidents:
        assert TEST_FROM * DAY <= incident.start < incident.end <= DAYS * DAY + 60


def test_an_alarm_within_an_incident_finds_it_after_its_delay() -> None:
    world = quiet(Incident(1, "drip", START, START + 100))
    judged = judge(world, alarms((1, START + 7, 5.0), (1, START + 30, 5.0)), 4.0)
    assert (judged.false_alarms, judged.delays) == (0, {0: 7})


def test_alarms_an_hour_apart_are_one_and_those_of_other_series_are_false() -> None:
    world = quiet(Incident(1, "drip", START, START + 100))
    found = alarms((0, START, 5.0), (0, START + 60, 5.0), (0, START + 121, 5.0), (2, START, 5.0))
    judged = judge(world, found, 4.0)
    assert (judged.false_alarms, judged.delays) == (3, {})


def test_an_alarm_on_the_day_after_an_incident_is_neither_false_nor_a_hit() -> None:
    world = quiet(Incident(1, "drip", START, START + 100))
    judged = judge(world, alarms((1, START + 100 + DAY, 5.0)), 4.0)
    assert (judged.false_alarms, judged.delays) == (0, {})


def test_the_threshold_of_a_budget_stays_within_it() -> None:
    world = quiet(Incident(1, "drip", START, START + 100))
    found = alarms((1, START, 3.5), *((2, START + 100 * place, 3.0 + place) for place in range(5)))
    threshold, (judged,) = at_budget([(world, found)], 3)
    assert judged.false_alarms == 3
    assert threshold > 4.0


def test_ours_finds_most_of_what_is_simulated_within_two_false_alarms_in_a_hundred_days(
    calls: Calls,
) -> None:
    found = ours(calls)
    days = calls.count * (DAYS - TEST_FROM)
    _, (judged,) = at_budget([(calls, found)], 0.02 * days)
    assert len(judged.delays) >= 0.5 * len(calls.incidents)
