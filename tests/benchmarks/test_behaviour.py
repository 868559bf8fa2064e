from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from benchmarks.detection import behaviour, behaviour_logs
from benchmarks.detection.behaviour_attacks import KINDS
from benchmarks.detection.behaviour_people import DAYS, START
from benchmarks.detection.behaviour_simulation import World, simulate
from tests import logs


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(3, 20, per_kind=1)


def test_a_seed_makes_the_same_events_and_attacks(world: World) -> None:
    again = simulate(3, 20, per_kind=1)
    assert again.attacks == world.attacks
    assert again.events.equals(world.events)


def test_each_kind_is_there_once_in_the_last_days(world: World) -> None:
    assert sorted(attack.kind for attack in world.attacks) == sorted(KINDS)
    last = START.date() + dt.timedelta(days=DAYS)
    for attack in world.attacks:
        assert world.first_test_day <= attack.day
        assert attack.day + dt.timedelta(days=attack.days) <= last
        mine = world.events.filter(pc.equal(world.events["principal_arn"], attack.principal))
        assert attack.day in set(mine["event_date"].to_pylist())


def test_precision_and_recall_of_known_scores() -> None:
    labels = np.array([""] * 2_000 + ["enumeration"] * 4 + ["slow reconnaissance"])
    scores = np.concatenate([np.linspace(0, 1, 2_000), [2, 2, 2, 0.5], [9]])
    precision, recall, kinds = behaviour.figures(behaviour.Scored(scores, labels))
    assert recall == 0.75
    assert kinds["enumeration"] == 0.75
    assert 0.75 < precision < 0.76  # the days of slow reconnaissance are left out


def test_a_real_log_changes_who_and_when_alone(world: World, tmp_path: Path) -> None:
    logs.write(
        tmp_path / "technique.json",
        [logs.record(number, eventName="DeleteTrail") for number in range(3)],
    )
    events, ((technique, victim, day),) = behaviour_logs.inject(world.events, tmp_path, 14)
    assert technique == "technique"
    added = events.filter(pc.equal(events["event_name"], "DeleteTrail"))
    assert added.num_rows == 3
    assert set(added["principal_arn"].to_pylist()) == {victim}
    assert {(START + dt.timedelta(days=day)).date()} == set(added["event_date"].to_pylist())
    assert set(added["user_agent"].to_pylist()) == {"aws-cli/2.31.0"}
