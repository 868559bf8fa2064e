"""Test rules on the events that lie beside them: some must match, near misses must not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from ctanalytics.app.rules.run import FIRST, LAST
from ctanalytics.settings import Rules, Settings
from ctanalytics.sigma.condition import Placeholders
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import placeholders, places
from ctanalytics.sigma.rule import Rule
from ctanalytics.sigma.running import only, run
from ctanalytics.sigma.span import Span
from ctanalytics.sigma.trial import engine_over, trial_name

_MATCH, _MISS = "match", "near_miss"
_ALWAYS = Span(FIRST, LAST, undated=True)


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
        tested = [place for place, rule in enumerate(rules) if rule.alerts or rule.status != "ok"]
        trials = {
            number: _files(
                _folder(Path(rules[number].path), root, Path(events) if events else None)
            )
            for number in tested
        }
        counts = _counts(rules, trials)
        verdicts += [_verdict(rules[number], trials[number], counts, number) for number in tested]
    return verdicts


def _trial_placeholders(asked: Rules) -> Placeholders:
    """The settings' placeholders; those without a value get one that test events can use."""
    found = placeholders(asked)
    return {name: values or [f"example-{name.replace('_', '-')}"] for name, values in found.items()}


def _folder(file: Path, root: Path, events: Path | None) -> Path:
    inner = PurePath(file).relative_to(root).with_suffix("")
    return (events or root) / inner


@dataclass(frozen=True, slots=True)
class _Trial:
    """The event files of a rule by what they should do; the folder where they are looked for."""

    folder: Path
    files: dict[str, list[Path]]


Counts = dict[tuple[str, int], tuple[int, int]]
"""File and rule -> how many things it holds that should match or not, and how many match."""


def _files(folder: Path) -> _Trial:
    return _Trial(folder, {kind: sorted(folder.glob(f"{kind}*.json")) for kind in (_MATCH, _MISS)})


def _counts(rules: Sequence[Rule], trials: dict[int, _Trial]) -> Counts:
    """Try every rule on its files: the plain ones all at once, each correlation by itself."""
    plain: list[tuple[Path, int]] = []
    counts: Counts = {}
    for number, trial in trials.items():
        if rules[number].status != "ok":
            continue
        for file in (file for files in trial.files.values() for file in files):
            if rules[number].correlation is None:
                plain.append((file, number))
            else:
                counts[str(file), number] = _of_correlation(rules, number, file)
    return counts | _of_plain(rules, plain)


def _of_plain(rules: Sequence[Rule], trials: Sequence[tuple[Path, int]]) -> Counts:
    if not trials:
        return {}
    with engine_over(file.read_bytes() for file, _ in trials) as engine:
        chosen = [
            rule if rule.correlation is None else replace(rule, status="unsupported")
            for rule in rules
        ]
        hits = run(engine, chosen, _ALWAYS).hits.select(["rule", "source_object"]).to_pylist()
        rows = engine.sql(
            "select source_object, count(*) as events from events group by source_object"
        ).to_pylist()
    totals = {row["source_object"]: row["events"] for row in rows}
    matched = Counter((row["source_object"], row["rule"]) for row in hits)
    return {
        (str(file), number): (totals.get(name, 0), matched[name, number])
        for place, (file, number) in enumerate(trials)
        for name in (trial_name(place),)
    }


def _of_correlation(rules: Sequence[Rule], number: int, file: Path) -> tuple[int, int]:
    with engine_over([file.read_bytes()]) as engine:
        found = run(engine, only(rules, number), _ALWAYS)
        total = engine.sql("select count(*) as events from events")["events"][0].as_py()
    return min(total, 1), min(found.counts.get(number, 0), 1)


def _verdict(rule: Rule, trial: _Trial, counts: Counts, number: int) -> Verdict:
    if rule.status != "ok":
        return Verdict(rule, False, [rule.reason or rule.status], 0)
    faults, events = [], 0
    for kind, files in trial.files.items():
        if not files:
            faults.append(f"no event in {trial.folder}/{kind}*.json")
        for file in files:
            total, matched = counts[str(file), number]
            events += total
            if not total:
                faults.append(f"{file} holds no record")
            elif kind == _MATCH and matched < total:
                faults.append(f"{total - matched} of {total} in {file} should match, and do not")
            elif kind == _MISS and matched:
                faults.append(f"{matched} of {total} in {file} should not match, and do")
    return Verdict(rule, not faults, faults, events)
