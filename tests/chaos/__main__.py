"""Run the fault campaign: python -m tests.chaos [--minutes 15] [--seed N] [--only PART ...].

Prints what goes wrong as it goes, and at the end a table by fault and command, which also goes to
build/chaos/results.md, with every trial in build/chaos/trials.ndjson. Ends with 1 when anything
went wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import secrets
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from tests.chaos import faults
from tests.chaos.forks import ROOT, Forks
from tests.chaos.trials import Trial, Trials
from tests.chaos.world import COMMANDS, World

OUT: Final = ROOT / "build" / "chaos"
SHARES: Final = {
    "kill": 0.55,
    "pairs": 0.2,
    "disk": 0.08,
    "readonly": 0.05,
    "clock": 0.05,
    "network": 0.07,
}
"""Parts of the campaign, and of its time."""
EACH: Final = 24
"""Kills of a command: at evenly chosen steps, every fourth at a random moment."""

Deed = Callable[[], Trial]


def kills(trials: Trials) -> Iterator[Deed]:
    """Kill every command in turn, until the time is over."""
    for number in range(EACH):
        for name in COMMANDS:
            yield partial(_kill, trials, name, number)


def _kill(trials: Trials, name: str, number: int) -> Trial:
    if number % 4 == 3:
        return trials.kill_at_moment(name)
    steps = trials.quiet(name).ran.steps
    # A stride that visits far-apart places first, so that a short campaign sees all of a run.
    place = (number * 0.618034 + trials.rng.random() / EACH) % 1.0
    return trials.kill_at_step(name, 1 + int(place * steps))


def pairs(trials: Trials) -> Iterator[Deed]:
    """All pairs, in a random order."""
    found = faults.pairs()
    trials.rng.shuffle(found)
    for first, second in found:
        yield partial(faults.together, trials, first, second)


def disk(trials: Trials) -> Iterator[Deed]:
    """A disk that is full, three times for each command."""
    for name in islice(cycle(COMMANDS), 3 * len(COMMANDS)):
        yield partial(faults.full_disk, trials, name)


def readonly(trials: Trials) -> Iterator[Deed]:
    """A lake that can't be written."""
    for name in (*faults.READERS, *COMMANDS):
        yield partial(faults.read_only, trials, name)


def clock(trials: Trials) -> Iterator[Deed]:
    """A clock that jumps."""
    if not Path(faults.FAKETIME[0]).exists():
        print("clock: not run, libfaketime is not installed (Debian: apt install libfaketime)")
        return
    for jump in faults.JUMPS:
        for name in faults.CLOCKED:
            yield partial(faults.clock, trials, name, jump)


def network(trials: Trials) -> Iterator[Deed]:
    """A bad network, twice for each fault and place of the lake."""
    for _ in range(2):
        for fault in faults.NETWORK:
            for name in faults.ON_S3:
                yield partial(faults.network, trials, fault, name)


PARTS: Final[dict[str, Callable[[Trials], Iterator[Deed]]]] = {
    "kill": kills,
    "pairs": pairs,
    "disk": disk,
    "readonly": readonly,
    "clock": clock,
    "network": network,
}


def main() -> int:
    """Run the campaign; 1 when anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=0, help="0: a new one")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    flags = parser.parse_args()
    seed = flags.seed or secrets.randbelow(10**6) + 1
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="ctanalytics-chaos-", dir=memory))
    forks = Forks()
    done: list[Trial] = []
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "trials.ndjson").write_text("", "utf-8")
    try:
        trials = Trials(World(folder, forks), random.Random(seed))
        left = sum(SHARES[part] for part in flags.only)
        for part in flags.only:
            now = time.monotonic()
            share = (flags.minutes * 60 - (now - began)) * SHARES[part] / left
            left -= SHARES[part]
            done += run(part, trials, now + share)
        if trials.clocked:
            trials.clocked.close()
    finally:
        forks.close()
        shutil.rmtree(folder, ignore_errors=True)
    write(done, seed, flags.minutes, time.monotonic() - began)
    return int(any(trial.wrong for trial in done))


def run(part: str, trials: Trials, until: float) -> Iterator[Trial]:
    """Yield the trials of one part, until its time is over."""
    for deed in PARTS[part](trials):
        if time.monotonic() >= until:
            print(f"{part}: the time was over before all was tried", flush=True)
            return
        try:
            trial = deed()
        except (RuntimeError, OSError) as error:
            trial = Trial(part, "?", hit=False, wrong=[str(error)[-800:]])
            trials.world.drop()
        if trial.wrong:
            print(f"{trial.fault}, {trial.command}: {trial.wrong}", flush=True)
        with (OUT / "trials.ndjson").open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(trial)) + "\n")
        yield trial


def write(done: list[Trial], seed: int, minutes: float, took: float) -> None:
    """Write the table and the trials."""
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in done:
        kind = "kill -9" if trial.fault.startswith("kill") else trial.fault
        command = "every pair" if kind.startswith("two") else trial.command
        groups[kind, command].append(trial)
    lines = [
        f"`python -m tests.chaos --seed {seed} --minutes {minutes:g}`: {len(done)} faults in {took:.0f} s, "
        f"{sum(x.hit and x.fault.startswith('kill') for x in done)} kills that hit.",
        "",
        "| fault | command | times | hit | outcome |",
        "|---|---|---:|---:|---|",
    ]
    for (kind, command), members in groups.items():
        wrong = [trial for trial in members if trial.wrong]
        outcome = f"**{len(wrong)} wrong**" if wrong else "as undisturbed"
        lines.append(
            f"| {kind} | {command} | {len(members)} | {sum(x.hit for x in members)} | {outcome} |"
        )
    text = "\n".join(lines) + "\n"
    (OUT / "results.md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    raise SystemExit(main())
