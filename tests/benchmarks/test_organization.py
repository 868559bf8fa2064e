"""An organization's pages: merged by the product's code, judged by labels."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detection.organization import World, alarms, judge, merged, organization, rows
from benchmarks.detection.rate_scores import EARLIER_DAYS, as_history
from benchmarks.detection.rate_simulation import DAY, DAYS
from ctanalytics.detectors import surges
from ctanalytics.detectors.surge_spans import Surge


@pytest.fixture(scope="module")
def world() -> World:
    return organization(accounts=8, each=6, seed=5)


def test_attacks_are_of_three_apis_of_one_account_at_one_time(world: World) -> None:
    assert len(world.attacks) == 8
    for parts in world.attacks:
        assert len({part.series for part in parts}) == 3
        assert len({world.accounts[part.series] for part in parts}) == 1
        assert max(part.start for part in parts) - min(part.start for part in parts) < 30
        assert {
            world.doer(part.series, part.start, part.end).rpartition("/")[2] for part in parts
        } == {"contractor"}


def test_calls_stay_sparse_and_sorted_with_what_was_added(world: World) -> None:
    place = world.calls.series * DAYS * DAY + world.calls.minute
    assert (np.diff(place) > 0).all()
    part = world.attacks[0][0]
    inside = (world.calls.series == part.series) & (world.calls.minute >= part.start)
    assert world.calls.calls[inside & (world.calls.minute < part.end)].sum() >= 20


def surge(series: int, start: int, end: int) -> Surge:
    first, after = (minute + EARLIER_DAYS * DAY for minute in (start, end))
    return Surge(series, first, after, first + 4, False, 6.0, 5, 90, 3, False, False)


def test_an_attack_on_three_apis_is_one_page_and_a_rollout_over_accounts_is_one(
    world: World,
) -> None:
    history = as_history(world.calls, world.accounts)
    attack = world.attacks[0]
    rollout = [(series, start, end) for series, start, end, by in world.doers if "stackset" in by]
    role = {by.rpartition("/")[2] for *_, by in world.doers if "stackset" in by}
    first = [one for one in rollout if world.doer(*one).endswith("-0")]
    told = [surge(part.series, part.start, part.end) for part in attack]
    anomalies = rows(world, history, [*told, *(surge(*one) for one in first)])
    pages = merged(anomalies, history.axis.time(history.end_minute))
    assert role == {"stacksets-exec-0", "stacksets-exec-1", "stacksets-exec-2"}
    assert sorted(len(page.numbers) for page in pages) == sorted([len(first), 3])
    found = judge(world, anomalies, pages, weeks=2.0)
    assert (found["pages_per_week"], found["false_pages_per_week"]) == (1.0, 0.5)
    assert found["recall_by_kind"]["attack"] == pytest.approx(1 / 8, abs=0.001)
    assert alarms(history, surges.judge(history), budget=50.0)
