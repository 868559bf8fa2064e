"""One worker's share of the campaign: which faults it tries, in which order, and for how long."""

from __future__ import annotations

import dataclasses
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Final, TypeVar

from tests.chaos import faults
from tests.chaos.forks import Forks
from tests.chaos.trials import Trial, Trials
from tests.chaos.world import COMMANDS, World

SHARES: Final = {
    "kill": 0.55,
    "network": 0.12,
    "pairs": 0.15,
    "disk": 0.08,
    "readonly": 0.04,
    "clock": 0.06,
}
"""Parts of the campaign, and of its time."""
LEAST: Final = 5
"""Kills of every command; the time that is left then is shared out evenly among them."""

Deed = Callable[[], Trial]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Work:
    """What a worker is given."""

    index: int
    workers: int
    seed: int
    seconds: float
    parts: tuple[str, ...]
    folder: Path
    """For its lakes."""
    told: Path
    """Takes every trial as a line."""

    def deal(self, things: list[_T]) -> list[_T]:
        """Return this worker's of some things."""
        return things[self.index :: self.workers]

    def commands(self) -> list[str]:
        """Return this worker's commands: there and back by what they cost, so that all cost alike."""
        mine = []
        for place, name in enumerate(sorted(COMMANDS, key=lambda n: -COMMANDS[n].dear)):
            turn, column = divmod(place, self.workers)
            if (column if turn % 2 == 0 else self.workers - 1 - column) == self.index:
                mine.append(name)
        return mine


def kills(trials: Trials, work: Work) -> Iterator[Deed]:
    """Kill commands: each so often, then always the one that has had the least time."""
    mine, made = work.commands(), Counter[str]()
    spent = dict.fromkeys(mine, 0.0)
    while True:
        few = [name for name in mine if made[name] < LEAST]
        name = min(few, key=made.__getitem__) if few else min(mine, key=lambda name: spent[name])
        began = time.monotonic()
        yield partial(_kill, trials, name, made[name])
        spent[name] += time.monotonic() - began
        made[name] += 1


def _kill(trials: Trials, name: str, number: int) -> Trial:
    """Every fourth kill comes at a random moment, the others at steps that lie far apart."""
    if number % 4 == 3:
        return trials.kill_at_moment(name)
    steps = trials.quiet(name).ran.steps
    place = (number * 0.618034 + trials.rng.random() * 0.1) % 1.0
    return trials.kill_at_step(name, 1 + int(place * steps))


def pairs(trials: Trials, work: Work) -> Iterator[Deed]:
    """All pairs, in a random order that all workers know."""
    found = faults.pairs()
    random.Random(work.seed).shuffle(found)
    for first, second in work.deal(found):
        yield partial(faults.together, trials, first, second)


def disk(trials: Trials, work: Work) -> Iterator[Deed]:
    """A disk that is full, three times for each command."""
    mine = work.commands()
    for name in islice(cycle(mine), 3 * len(mine)):
        yield partial(faults.full_disk, trials, name)


def readonly(trials: Trials, work: Work) -> Iterator[Deed]:
    """A lake that can't be written."""
    for name in (*work.deal(list(faults.READERS)), *work.commands()):
        yield partial(faults.read_only, trials, name)


def clock(trials: Trials, work: Work) -> Iterator[Deed]:
    """A clock that jumps."""
    if not Path(faults.FAKETIME[0]).exists():
        _say("clock: not run, libfaketime is not installed (Debian: apt install libfaketime)")
        return
    for jump in faults.JUMPS:
        for name in faults.CLOCKED:
            if name in work.commands():
                yield partial(faults.clock, trials, name, jump)


def network(trials: Trials, work: Work) -> Iterator[Deed]:
    """A bad network, three times for each fault and place of the lake."""
    for _ in range(3):
        for fault, name in work.deal([(f, n) for n in faults.ON_S3 for f in faults.NETWORK]):
            yield partial(faults.network, trials, fault, name)


PARTS: Final[dict[str, Callable[[Trials, Work], Iterator[Deed]]]] = {
    "kill": kills,
    "network": network,
    "pairs": pairs,
    "disk": disk,
    "readonly": readonly,
    "clock": clock,
}


def take_part(work: Work) -> None:
    """Do one worker's share; what a part leaves of its time goes to those after it."""
    until = time.monotonic() + work.seconds
    forks = Forks()
    try:
        rng = random.Random(f"{work.seed} {work.index}")
        trials = Trials(World(work.folder, forks), rng)
        left = sum(SHARES[part] for part in work.parts)
        for part in work.parts:
            now = time.monotonic()
            share = (until - now) * SHARES[part] / left
            left -= SHARES[part]
            _part(part, trials, work, now + share)
        if trials.clocked:
            trials.clocked.close()
    finally:
        forks.close()


def _part(part: str, trials: Trials, work: Work, until: float) -> None:
    for deed in PARTS[part](trials, work):
        if time.monotonic() >= until:
            return
        try:
            trial = deed()
        except (RuntimeError, OSError) as error:
            trial = Trial(part, "?", hit=False, wrong=[str(error)[-800:]])
            trials.world.drop()
        if trial.wrong:
            _say(f"{trial.fault}, {trial.command}: {trial.wrong}")
        with work.told.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(trial)) + "\n")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
