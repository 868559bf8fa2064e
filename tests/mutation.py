"""Counts what `make mutate` has found, as a table by module; run where mutmut ran."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

KILLED, SURVIVED, UNTRIED = (1, 3), (0, 5, 33), (None,)
"""Exit codes of a mutant's tests; no test that runs a line leaves its mutants alive. All others:
it ran into the time limit, or took its process down, which no assertion has noticed."""


def main(root: Path) -> None:
    """Print module, mutants tried, killed, survived, timed out, share of those that were killed."""
    print("| Module | Mutants | Killed | Survived | Timed out | Share |\n|---|--:|--:|--:|--:|--:|")
    whole: Counter[str] = Counter()
    for file in sorted(root.rglob("*.py.meta")):
        codes = json.loads(file.read_text("utf-8"))["exit_code_by_key"].values()
        found = Counter(_outcome(code) for code in codes)
        if found.total() > found["untried"]:
            whole += found
            print(_line(f"`{file.relative_to(root).with_suffix('')}`", found))
    print(_line("all", whole))


def _outcome(code: int | None) -> str:
    for name, codes in (("killed", KILLED), ("survived", SURVIVED), ("untried", UNTRIED)):
        if code in codes:
            return name
    return "timed out"


def _line(name: str, found: Counter[str]) -> str:
    tried = found.total() - found["untried"]
    counts = [found["killed"], found["survived"], found["timed out"]]
    return f"| {name} | {tried} | {' | '.join(map(str, counts))} | {found['killed'] / max(tried, 1):.1%} |"


if __name__ == "__main__":
    main(Path("mutants"))
