"""One fault at a time: disturb a command, run it again, and tell what differs from a quiet run."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.forks import Forks, Ran
from tests.chaos.reading import halves, look
from tests.chaos.world import COMMANDS, After, Command, World, after, flaws, leftovers

SIGKILL: Final = -9
GOOD: Final = (0, 3)


@dataclass
class Quiet:
    """What a command does when nobody disturbs it."""

    ran: Ran
    seconds: float
    after: After
    left: list[str]
    flaws: list[str]


@dataclass
class Trial:
    """How one fault ended."""

    fault: str
    command: str
    hit: bool
    """Whether the fault came before the command's end."""
    wrong: list[str] = field(default_factory=list)


@dataclass
class Trials:
    """Runs trials in one world."""

    world: World
    rng: random.Random
    known: dict[str, Quiet] = field(default_factory=dict)
    serial: dict[tuple[str, ...], tuple[int, str]] = field(default_factory=dict)
    clocked: Forks | None = None
    """Forks of which the clock can be moved."""

    def quiet(self, name: str) -> Quiet:
        """Return what a command does undisturbed; it is run once, when first asked for."""
        if name not in self.known:
            command = COMMANDS[name]
            home = self.world.home(command.base)
            began = time.monotonic()
            ran = self.world.forks.run(self.world.arguments(command), home)
            took = time.monotonic() - began
            if ran.code not in GOOD:
                raise RuntimeError(f"{name} ended with {ran.code}:\n{ran.said}")
            self.known[name] = Quiet(ran, took, after(home, command), leftovers(home), flaws(home))
            self.world.keep(command)
        return self.known[name]

    def kill_at_step(self, name: str, step: int) -> Trial:
        """Kill a command before one of its steps, and now and then its second run too."""
        command, quiet = COMMANDS[name], self.quiet(name)
        home = self.world.home(command.base)
        words = self.world.arguments(command)
        fault = f"kill -9 before step {step}"
        ran = self.world.forks.run(words, home, step=step)
        trial = Trial(fault, name, ran.code == SIGKILL)
        trial.wrong += self._half_done(command)
        if self.rng.random() < 0.25:
            again = self.rng.randint(1, quiet.ran.steps)
            trial.fault += f", and the next run before step {again}"
            self.world.forks.run(words, home, step=again)
        return self._again(trial)

    def kill_at_moment(self, name: str) -> Trial:
        """Kill a command at any time of its run."""
        command, quiet = COMMANDS[name], self.quiet(name)
        home = self.world.home(command.base)
        moment = self.rng.uniform(0, quiet.seconds)
        running = self.world.forks.start(self.world.arguments(command), home)
        time.sleep(moment)
        running.kill()
        trial = Trial(f"kill -9 after {moment:.3f} s", name, running.wait().code == SIGKILL)
        trial.wrong += self._half_done(command)
        return self._again(trial)

    def _half_done(self, command: Command) -> Iterator[str]:
        """A reader that comes after a kill sees what one of the commits has made."""
        lake = self.world.folder / "home" / "lake"
        if not command.alters or not (lake / "lake.json").exists():
            return
        yield from halves(lake, [look(str(lake))])

    def _again(self, trial: Trial) -> Trial:
        """Run a disturbed command to its end, and compare."""
        command = COMMANDS[trial.command]
        home = self.world.folder / "home"
        ran = self.world.forks.run(self.world.arguments(command), home)
        trial.wrong += self.differences(trial.command, ran)
        self.world.drop()
        return trial

    def differences(self, name: str, ran: Ran) -> Iterator[str]:
        """Yield what the home holds other than after a quiet run."""
        command, quiet = COMMANDS[name], self.quiet(name)
        home = self.world.folder / "home"
        # 3 tells of what this run set aside: perhaps the run that was killed had done it.
        if ran.code not in GOOD:
            yield f"the next run ended with {ran.code}: {ran.said[-600:]}"
            return
        found = after(home, command)
        for table, was in quiet.after.tables.items():
            if found.tables[table] != was:
                yield f"{table} has {found.tables[table]}, not {was}"
        if found.files != quiet.after.files:
            yield f"files differ: {sorted(set(found.files) ^ set(quiet.after.files))[:4]}"
        if found.also != quiet.after.also:
            yield f"what was sent differs: {found.also} and {quiet.after.also}"
        left = set(leftovers(home)) - set(quiet.left)
        if left:
            yield f"left behind: {sorted(left)[:4]}"
        flawed = set(flaws(home)) - set(quiet.flaws)
        if flawed:
            yield f"lake check: {sorted(flawed)[:2]}"
