"""Run the fault campaign: python -m tests.chaos [--minutes 15] [--seed N] [--only PART ...].

Prints what goes wrong as it goes, and at the end a table by fault and command, which also goes to
build/chaos/results.md, with every trial in build/chaos/trials.ndjson. Ends with 1 when anything
went wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import secrets
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.chaos.campaign import PARTS, Work, take_part
from tests.chaos.forks import ROOT
from tests.chaos.trials import Trial

OUT: Final = ROOT / "build" / "chaos"
LAST_TRIAL: Final = 20.0
"""Seconds that are kept for the trials that are under way when the time is over."""


def main() -> int:
    """Run the campaign; 1 when anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=0, help="0: a new one")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--workers", type=int, default=2)
    flags = parser.parse_args()
    seed = flags.seed or secrets.randbelow(10**6) + 1
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    OUT.mkdir(parents=True, exist_ok=True)
    told = OUT / "trials.ndjson"
    told.write_text("", "utf-8")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="ctanalytics-chaos-", dir=memory))
    seconds = max(flags.minutes * 60 - LAST_TRIAL, 1.0)
    try:
        ended = _work(
            [
                Work(
                    *(index, flags.workers, seed, seconds),
                    *(tuple(flags.only), folder / str(index), told),
                )
                for index in range(flags.workers)
            ]
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    done = [Trial(**json.loads(line)) for line in told.read_text("utf-8").splitlines()]
    command = (
        f"python -m tests.chaos --seed {seed} --minutes {flags.minutes:g} --workers {flags.workers}"
    )
    write(done, command, time.monotonic() - began)
    return int(ended or any(trial.wrong for trial in done))


def _work(shares: list[Work]) -> bool:
    """Let every worker do its share; tell whether one of them fell."""
    # Not forked: each starts a process that forks, and one that has threads can't.
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=take_part, args=(work,)) for work in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return any(worker.exitcode for worker in workers)


def write(done: list[Trial], command: str, took: float) -> None:
    """Write the table."""
    groups: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in done:
        kind = "kill -9" if trial.fault.startswith("kill") else trial.fault
        groups[kind, "pairs" if kind.startswith("two") else trial.command].append(trial)
    load = ", ".join(f"{one:.0f}" for one in os.getloadavg())
    lines = [
        f"`{command}`: {len(done)} faults in {took:.0f} s, "
        f"{sum(x.hit and x.fault.startswith('kill') for x in done)} kills that hit; "
        f"load {load} at the end (1, 5, 15 minutes).",
        "",
        "| fault | command | times | hit | outcome |",
        "|---|---|---:|---:|---|",
    ]
    for (kind, name), members in sorted(groups.items()):
        wrong = [trial for trial in members if trial.wrong]
        outcome = f"**{len(wrong)} wrong**" if wrong else "as undisturbed"
        hit = sum(trial.hit for trial in members)
        lines.append(f"| {kind} | {name} | {len(members)} | {hit} | {outcome} |")
    text = "\n".join(lines) + "\n"
    (OUT / "results.md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    raise SystemExit(main())
