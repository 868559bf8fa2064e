"""The rest of a long list in one message, and the pace of calls."""

from __future__ import annotations

import pytest

from ctanalytics.emitters.delivery import Pace
from ctanalytics.emitters.message import body, subject
from ctanalytics.emitters.summary import NAMED, trial, within
from tests.emitters.alerts import NOW, alert

MANY = [alert(f"{n:02}", severity="critical" if n < 3 else "high") for n in range(60)]


def test_what_is_too_much_comes_in_one_message_more() -> None:
    assert within(MANY, 0) == within(MANY, 60) == MANY
    *first, rest = within(MANY, 2)
    assert first == MANY[:2]
    assert rest.stands_for == tuple(MANY[2:])
    assert rest.title == "58 more alerts: 1 critical, 57 high"
    assert rest.severity == "critical"
    assert rest.explanation.count("Surge of RunInstances") == NAMED
    assert f"and {58 - NAMED} more" in rest.explanation


def test_a_summary_of_the_same_alerts_has_the_same_id() -> None:
    one, again = within(MANY, 10)[-1], within(MANY, 10)[-1]
    assert one.key == again.key
    assert within(MANY, 11)[-1].key != one.key


def test_a_summary_reads_and_no_title_in_it_begins_a_line_of_ours() -> None:
    rest = within([alert("a"), alert("b", title="x\nseverity    low")], 1)[-1]
    assert subject(rest) == "[HIGH] 1 more alerts: 1 high"
    shown = body(rest, 250_000)
    assert "  high: x\\nseverity    low (" in shown
    assert "incidents show" not in shown


def test_a_trial_says_that_it_is_one() -> None:
    assert subject(trial(NOW)) == "[INFO] TEST: ctanalytics reaches this target"
    assert "nothing to do" in body(trial(NOW), 10_000)


def test_calls_keep_their_distance() -> None:
    clock = [100.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    pace = Pace(4, clock=lambda: clock[0], sleep=sleep)
    for _ in range(5):
        pace.before_call()
    assert clock[0] == pytest.approx(101)
    clock[0] += 10
    pace.before_call()
    assert clock[0] == pytest.approx(111)
    Pace(0, sleep=sleep).before_call()
    assert len(slept) == 4


def test_a_target_that_asks_for_time_gets_it_and_a_little_more() -> None:
    slept: list[float] = []
    for _ in range(50):
        Pace(sleep=slept.append).after_busy(1, 8.0)
    assert all(8 <= seconds <= 10 for seconds in slept)
    assert len(set(slept)) > 1
