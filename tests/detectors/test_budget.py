"""The governor of thresholds, the lists of what is worth a look, and groups."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctanalytics.detectors.base import Context, Replay
from ctanalytics.detectors.budget import STEP, Alarm, Governed, govern, thetas
from ctanalytics.detectors.groups import Callers, grouped, main_callers
from ctanalytics.detectors.insight import Share
from ctanalytics.detectors.review import q_values
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.local import LocalExecutor
from ctanalytics.findings import ANOMALIES
from ctanalytics.settings import Detect
from tests import builders

DAY = dt.date(2026, 3, 2)
DATES = [DAY + dt.timedelta(days=step) for step in range(20)]
ALLOWED = 7.0 * 0.5 * 2
"""Alarms in 14 days, at the default budget and half of it."""


def at(day: int, hour: int = 12) -> dt.datetime:
    return dt.datetime.combine(DAY, dt.time(), dt.UTC) + dt.timedelta(days=day, hours=hour)


def governed(
    alarms: list[Alarm],
    budget: list[dict[str, Any]] | None = None,
    earlier: Sequence[dict[str, Any]] = (),
    *,
    share: float = 0.5,
    dates: Sequence[dt.date] = DATES,
    **settings: Any,
) -> Governed:
    replay = Replay(pa.Table.from_pylist(list(earlier), ANOMALIES), budget or [])
    context = Context(Engine({}), LocalExecutor(1), Detect(**settings), at(30), replay=replay)
    return govern(context, "call_rate", share, dates, alarms)


def published(at_: dt.datetime, **columns: Any) -> dict[str, Any]:
    """An anomaly of an earlier run."""
    texts = {"anomaly_id", "kind", "severity", "series_key", "title", "explanation", "evidence"}
    numbers = {"revision": 1, "score": 5.0, "started_at": at_, "detected_at": at_}
    return (
        dict.fromkeys(texts, "x") | numbers | {"state": "open", "detector": "call_rate"} | columns
    )


def storm(count: int, day: int, margin: float = 0.1) -> list[Alarm]:
    return [Alarm(at(day), margin) for _ in range(count)]


def test_within_twice_the_budget_nothing_is_raised() -> None:
    found = governed(storm(int(2 * ALLOWED), 3))
    assert set(found.raised.values()) == {0.0}
    assert all(found.stands)
    assert not found.notes


def test_beyond_it_the_threshold_rises_day_by_day_and_stays() -> None:
    found = governed(storm(int(2 * ALLOWED) + 1, 3))
    raised = [found.raised[date] for date in DATES]
    assert raised[:4] == [0.0] * 4
    assert raised[4:18] == [STEP * step for step in range(1, 15)]
    # Fourteen days later the storm is out of sight: it rises no further, and does not fall.
    assert raised[18:] == [STEP * 14] * 2
    assert "governor_since" in found.notes[0]


def test_weak_alarms_are_kept_back_and_strong_ones_stand() -> None:
    found = governed([*storm(20, 3), Alarm(at(6), 0.5), Alarm(at(6), 1.5)])
    assert found.stands[-2:] == [False, True]


def test_what_was_decided_for_a_day_stays() -> None:
    known = [{"detector": "call_rate", "day": DATES[2], "raised": 3}]
    found = governed([], known)
    assert [found.raised[date] for date in DATES[:4]] == [0.0, 0.0, 3 * STEP, 3 * STEP]
    assert DATES[2] not in {row["day"] for row in found.decided}
    later = governed([], known, governor_since=DATES[3].isoformat())
    assert set(later.raised.values()) == {0.0}


def test_a_decision_is_kept_with_what_led_to_it() -> None:
    found = governed([*storm(int(2 * ALLOWED) + 1, 3), *storm(1, 5, margin=0.6)])
    shared = {"detector": "call_rate", "allowed": ALLOWED, "decided_at": at(30)}
    assert [row["day"] for row in found.decided] == DATES
    assert found.decided[3:6] == [
        shared | {"day": DATES[3], "raised": 0, "alarms": 0},
        shared | {"day": DATES[4], "raised": 1, "alarms": 15},
        shared | {"day": DATES[5], "raised": 2, "alarms": 15},
    ]
    assert found.decided[6]["alarms"] == 16  # what was kept back is not counted, what stands is


def test_the_note_tells_from_when_by_how_much_and_how_many_are_kept_back() -> None:
    many = storm(15, 17)
    assert governed([*many, Alarm(at(18), 0.2), Alarm(at(18), 0.25)]).notes == [
        "call_rate: more than twice the budget of alarms in 14 days, so from 2026-03-20 on its "
        "threshold is raised, by up to 0.5; 1 weaker alarm is kept back (set "
        "detect.governor_since to a date to start afresh from there)"
    ]
    (note,) = governed([*many, Alarm(at(18), 0.2), Alarm(at(19), 0.25)]).notes
    assert "; 2 weaker alarms are kept back (" in note
    (none,) = governed(many).notes
    assert "; 0 weaker alarms are kept back (" in none


def test_alarms_of_earlier_runs_count_for_fourteen_days() -> None:
    twice = int(2 * ALLOWED)

    def raised(*rows: dict[str, Any]) -> float:
        return governed([], earlier=[published(at(-1))] * twice + list(rows)).raised[DAY]

    assert raised() == 0.0
    assert raised(published(at(-1))) == STEP
    assert raised(published(at(-14, 0))) == STEP
    assert raised(published(at(-15, 23))) == 0.0
    assert raised(published(at(0, 0))) == 0.0
    begun = [published(at(-1))] * twice + [published(at(0, 0))]  # that one is judged anew
    assert governed([], earlier=begun).raised[DATES[1]] == 0.0
    assert raised(published(at(-1), state="closed")) == STEP
    assert raised(published(at(-1), state="withdrawn")) == 0.0
    assert raised(published(at(-1), detector="error_rate")) == 0.0


def test_what_a_lake_holds_counts_as_what_a_replay_holds(tmp_path: Path) -> None:
    before = DAY - dt.timedelta(days=1)
    budget = [
        {"detector": detector, "day": before, "raised": raised, "alarms": 40, "allowed": 7.0,
         "decided_at": at(hour)}
        for detector, raised, hour in (
            ("call_rate", 2, 1), ("call_rate", 9, 2), ("error_rate", 5, 1)
        )
    ]  # fmt: skip
    days = [published(at(-10), anomaly_id=f"a{n}", kind="surge") for n in range(15)]
    gaps = [published(at(-10), anomaly_id=f"g{n}", kind="telemetry_gap") for n in range(15)]
    with builders.engine(tmp_path, series_budget=budget, anomalies=days + gaps) as engine:
        context = Context(engine, LocalExecutor(1), Detect(), at(30))
        found = govern(context, "call_rate", 0.5, DATES, [])
        other = govern(context, "error_rate", 0.5, DATES, [])
    assert [found.raised[date] / STEP for date in DATES] == [3, 4, 5, 6, *[7] * 16]
    assert [row["alarms"] for row in found.decided] == [15] * 5 + [0] * 15
    assert set(other.raised.values()) == {5 * STEP}


def test_missing_logs_are_nobodys_noise_in_a_replay_either() -> None:
    gaps = [published(at(-1), kind="telemetry_gap")] * 40
    assert set(governed([], earlier=gaps).raised.values()) == {0.0}


def test_the_newest_decision_before_the_first_day_goes_on() -> None:
    known = [
        {"detector": "call_rate", "day": DAY - dt.timedelta(days=days), "raised": raised}
        for days, raised in ((9, 5), (2, 2), (5, 4))
    ]
    assert set(governed([], known).raised.values()) == {2 * STEP}
    since = (DAY - dt.timedelta(days=2)).isoformat()
    assert set(governed([], known, governor_since=since).raised.values()) == {2 * STEP}


def test_an_alarm_that_began_before_the_first_day_is_judged_on_it() -> None:
    known = [{"detector": "call_rate", "day": DAY, "raised": 1}]
    alarms = [Alarm(at(-1, 23), 0.25), Alarm(at(-1, 23), 0.24), Alarm(at(25), 9.0)]
    assert governed(alarms, known).stands == [True, False, False]


def test_a_night_that_judges_one_day_decides_that_day() -> None:
    night = governed(
        [Alarm(at(-1, 23), 0.25), Alarm(at(0), 0.24)],
        [{"detector": "call_rate", "day": DAY - dt.timedelta(days=1), "raised": 0}],
        earlier=[published(at(-1))] * 15,
        share=1 / 3,
        dates=DATES[:1],
    )
    assert (night.stands, night.raised) == ([True, False], {DAY: STEP})
    (decided,) = night.decided
    assert (decided["alarms"], decided["raised"], decided["allowed"]) == (15, 1, 4.666667)


def test_thresholds_rise_by_what_was_decided_for_their_day() -> None:
    base = np.array([3.0, 3.5, 4.0])
    found = thetas({DATES[1]: 0.5, DATES[9]: 2.0}, DATES[:3], base)
    assert found.tolist() == [3.0, 4.0, 4.0]
    assert base.tolist() == [3.0, 3.5, 4.0]


def test_without_judged_days_or_a_governor_all_alarms_stand() -> None:
    context = Context(
        Engine({}),
        LocalExecutor(1),
        Detect(),
        at(30),
        replay=Replay(ANOMALIES.empty_table(), []),
    )
    assert govern(context, "call_rate", 0.5, [], storm(2, 0)) == Governed([True] * 2, {}, [], [])


def test_another_detector_is_not_its_business() -> None:
    found = governed([], [{"detector": "error_rate", "day": DATES[2], "raised": 3}])
    assert set(found.raised.values()) == {0.0}


def test_the_governor_can_be_switched_off() -> None:
    found = governed(storm(99, 3), governor=False)
    assert found == Governed([True] * 99, {}, [], [])


@pytest.mark.parametrize(
    ("p", "q"),
    [
        pytest.param([0.01, 0.02, 0.03, 0.04], [0.04] * 4, id="all-alike"),
        pytest.param([0.5, 0.001, 0.9, 0.04], [2 / 3, 0.004, 0.9, 0.08], id="in-their-order"),
        pytest.param([1.0, 1.0], [1.0, 1.0], id="never-above-one"),
    ],
)
def test_q_values_are_those_of_benjamini_and_hochberg(p: list[float], q: list[float]) -> None:
    assert q_values(np.array(p)).tolist() == pytest.approx(q)


def row(name: str, start: int, end: int, **columns: Any) -> dict[str, Any]:
    return {
        "anomaly_id": name,
        "account_id": "111122223333",
        "event_source": "ec2.amazonaws.com",
        "error_code": None,
        "started_at": at(0, 0) + dt.timedelta(minutes=start),
        "ended_at": at(0, 0) + dt.timedelta(minutes=end),
        "evidence": json.dumps({"events": 3}),
    } | columns


def groups(*rows: tuple[dict[str, Any], str | Callers | None]) -> list[str]:
    by = [{"userIdentityArn": who} if isinstance(who, str) else who or {} for _, who in rows]
    found = grouped([one for one, _ in rows], by)
    return [json.loads(one["evidence"])["group_id"] for one in found]


def test_one_caller_at_one_time_is_one_group() -> None:
    made = groups(
        (row("a", 0, 10), "arn:x"), (row("b", 35, 50), "arn:x"), (row("c", 90, 99), "arn:x")
    )
    assert made == ["a", "a", "c"]


def test_other_accounts_and_other_callers_are_other_groups() -> None:
    made = groups(
        (row("a", 0, 10), "arn:x"),
        (row("b", 0, 10, account_id="444455556666"), "arn:x"),
        (row("c", 0, 10), "arn:y"),
        (row("d", 0, 10), None),
    )
    assert made == ["a", "b", "c", "d"]


def test_groups_join_by_caller_and_by_fault_and_one_that_goes_on_takes_all_that_follows() -> None:
    denied = {"error_code": "AccessDenied"}
    made = groups(
        (row("b", 5, 10, **denied), None),
        (row("a", 0, 0, ended_at=None, **denied), "arn:x"),
        (row("c", 900, 910), "arn:x"),
    )
    assert made == ["a", "a", "a"]


def test_the_main_caller_made_half_of_what_is_more_than_usual() -> None:
    shares = [Share("arn:x", 60, 10), Share("arn:y", 90, 60), Share("arn:z", 10, 50)]
    assert main_callers({"userIdentityArn": shares}) == {"userIdentityArn": "arn:x"}
    several = [Share("arn:x", 30, 10), Share("arn:y", 40, 20), Share("arn:z", 9, 0)]
    nobody = [Share("unknown", 80, 0)]
    assert main_callers({"userIdentityArn": several, "accessKeyId": nobody}) == {}


def test_one_key_or_one_address_under_several_names_is_one_group() -> None:
    key, address = {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}, {"sourceIPAddress": "203.0.113.9"}
    made = groups(
        (row("a", 0, 10), {"userIdentityArn": "arn:x", **key}),
        (row("b", 5, 10), {"userIdentityArn": "arn:y", **key, **address}),
        (row("c", 9, 12), address),
        (row("d", 9, 12, account_id="444455556666"), address),
        (row("e", 9, 12), {"accessKeyId": "203.0.113.9"}),
    )
    assert made == ["a", "a", "a", "d", "e"]
