"""The campaign's short form: a kill between two steps of an ingest."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.chaos.forks import Forks
from tests.chaos.trials import Trials
from tests.chaos.world import World

SEED = 20130


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    forks = Forks()
    yield Trials(World(tmp_path_factory.mktemp("chaos"), forks), random.Random(SEED))
    forks.close()


def test_killed_between_two_steps_and_run_again_it_is_as_undisturbed(trials: Trials) -> None:
    name = "ingest (new lake)"
    steps = trials.quiet(name).ran.steps
    trial = trials.kill_at_step(name, trials.rng.randint(2, steps))
    assert (trial.hit, trial.wrong) == (True, []), trial.fault
