"""Test rules on the events that lie beside them: some must match, near misses must not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ctanalytics.app.rules.run import FIRST, LAST
from ctanalytics.settings import Rules, Settings
from ctanalytics.sigma.condition import Placeholders
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import placeholders, places
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.running import Span, run
from ctanalytics.sigma.trial import engine_over

_MATCH, _MISS = "match", "near_miss"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one rule did."""

    rule: Rule
    passed: bool
    faults: list[str]
    """What is wrong: an event that should match does not, or no event is given."""
    events: int


def check(
    directories: Sequence[str | Path] = (),
    *,
    events: str | Path | None = None,
    settings: Settings | None = None,
) -> list[Verdict]:
    """Test every rule on its events.

    The events of `FOLDER/a/rule.yml` are the files `match*.json` and `near_miss*.json` in
    `FOLDER/a/rule/`, in any shape that ingest takes. Every record of a file counts by itself; of
    a correlation, each file does.

    Args:
        events: another folder that mirrors the rules' paths.

    Raises:
        RulesError: there is no such folder or file.
    """
    asked = (settings or Settings()).rules
    verdicts = []
    for place in places(directories, asked):
        rules = load([place], _trial_placeholders(asked))
        root = place if place.is_dir() else place.parent
        for number, rule in enumerate(rules):
            if rule.alerts or rule.status != "ok":
                folder = _folder(Path(rule.path), root, Path(events) if events else None)
                verdicts.append(_verdict(rules, number, folder))
    return verdicts


def _trial_placeholders(asked: Rules) -> Placeholders:
    """The settings' placeholders; those without a value get one that test events can use."""
    found = placeholders(asked)
    return {name: values or [f"example-{name.replace('_', '-')}"] for name, values in found.items()}


def _folder(file: Path, root: Path, events: Path | None) -> Path:
    inner = PurePath(file).relative_to(root).with_suffix("")
    return (events or root) / inner


def _verdict(rules: Sequence[Rule], number: int, folder: Path) -> Verdict:
    rule = rules[number]
    if rule.status != "ok":
        return Verdict(rule, False, [rule.reason or rule.status], 0)
    faults, events = [], 0
    for kind in (_MATCH, _MISS):
        files = sorted(folder.glob(f"{kind}*.json"))
        if not files:
            faults.append(f"no event in {folder}/{kind}*.json")
        for file in files:
            total, matched = _tried(rules, number, file)
            events += total
            if not total:
                faults.append(f"{file} holds no record")
            elif kind == _MATCH and matched < total:
                faults.append(f"{total - matched} of {total} in {file} should match, and do not")
            elif kind == _MISS and matched:
                faults.append(f"{matched} of {total} in {file} should not match, and do")
    return Verdict(rule, not faults, faults, events)


def _tried(rules: Sequence[Rule], number: int, file: Path) -> tuple[int, int]:
    """How many things a file holds that should match, and how many do."""
    rule = rules[number]
    if rule.correlation is None:
        chosen = [rule]
        at = 0
    else:
        chosen, at = list(rules), number
    with engine_over([file.read_bytes()]) as engine:
        found = run(engine, chosen, Span(FIRST, LAST, undated=True))
        total = engine.sql("select count(*) as events from events")["events"][0].as_py()
    count = found.counts.get(at, 0)
    if rule.correlation is None:
        return total, count
    return min(total, 1), min(count, 1)
