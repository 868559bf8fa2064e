from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from ctanalytics.simulator import cast
from ctanalytics.simulator.activity import scale_for
from ctanalytics.simulator.attacks import ATTACKS, attacks
from ctanalytics.simulator.background import activities
from ctanalytics.simulator.calls import Calls, generator
from ctanalytics.simulator.catalogue import catalogue
from ctanalytics.simulator.noise import NOISE
from ctanalytics.simulator.plan import Plan
from ctanalytics.simulator.rendering import Renderer
from ctanalytics.simulator.simulation import episodes

PLAN = Plan(
    seed=5,
    start=dt.date(2025, 10, 1),
    days=35,
    accounts=3,
    events_per_day=1_000,
    incidents=tuple(ATTACKS),
)
GIVEN = {
    "role_arn": "arn:aws:iam::111122223333:role/web",
    "role_id": "AROAEXAMPLE",
    "assumed_arn": "arn:aws:sts::111122223333:assumed-role/web/x",
    "old_key": "AKIAOLDEXAMPLE",
}


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_api_gives_json_for_success_and_for_each_of_its_faults(name: str) -> None:
    api = catalogue()[name]
    organization = PLAN.organization
    actor = cast.reports_user(organization, organization.production)
    faults = ["", "denied", "scp", *(str(place) for place in range(len(api.natural_faults)))]
    times = np.array([PLAN.begin + 60, PLAN.begin + 120])
    renderer = Renderer(PLAN)
    for fault in faults:
        calls = Calls(
            actor, "eu-west-1", name, times, generator(1, name, fault), fault, dict(GIVEN)
        )
        first, second = renderer.render(calls, times, {}).texts
        record = json.loads(first)
        assert record["eventName"] == api.name
        assert ("errorCode" in record) == bool(fault)
        assert "${" not in first
        assert record["eventID"] != json.loads(second)["eventID"]


def test_everything_that_is_called_is_in_the_catalogue() -> None:
    mixed = {api.partition("!")[0] for a in activities(PLAN.organization) for api in a.mix}
    happens = attacks(PLAN) + [
        episode
        for place in range(PLAN.day_count)
        for make in NOISE
        for episode in make(PLAN, PLAN.day(place))
    ]
    called = {calls.api for episode in happens for calls in episode.calls}
    assert mixed | called <= set(catalogue())


def test_activities_have_names_of_their_own() -> None:
    keys = [activity.key for activity in activities(PLAN.organization)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("wanted", [2_000, 50_000, 5_000_000])
def test_scale_meets_the_wanted_calls(wanted: int) -> None:
    done = activities(PLAN.organization)
    scale = scale_for(done, wanted)
    assert sum(a.calls_per_day(scale) for a in done) == pytest.approx(wanted, rel=0.01)


def test_every_kind_of_episode_is_on_its_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text("utf-8")
    kinds = set(ATTACKS) | {episode.kind for episode in episodes(PLAN)}
    assert {kind for kind in kinds if f"| `{kind}` |" not in page} == set()
