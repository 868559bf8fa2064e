"""Coverage: which techniques the rules know, and which rules can never fire on a lake."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ctanalytics.app.rules.lint import TACTICS
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings
from ctanalytics.sigma import apis
from ctanalytics.sigma.loading import load
from ctanalytics.sigma.pack import placeholders, places, shown_path
from ctanalytics.sigma.reach import required, spelled
from ctanalytics.sigma.rule import Rule


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique and the rules that are tagged with it."""

    name: str
    tactics: list[str]
    rules: list[str]


@dataclass(frozen=True, slots=True)
class BlindSpot:
    """A rule that can't fire on a lake, and why."""

    rule_id: str | None
    title: str
    path: str
    reason: str


@dataclass(frozen=True)
class Coverage:
    """What the rules cover."""

    rules: int
    attack: list[Technique]
    stratus: list[Technique]
    """Every AWS technique of Stratus Red Team, those without a rule included."""
    blind_spots: list[BlindSpot]


def coverage(
    directories: Sequence[str | Path] = (),
    *,
    lake: str | Path | Lake | None = None,
    settings: Settings | None = None,
) -> Coverage:
    """Return the techniques that rules are tagged with, and what the rules can't see.

    Args:
        lake: with it, also the rules whose events its accounts do not log.

    Raises:
        RulesError: there is no such folder or file.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    rules = [
        rule
        for rule in load(places(directories, settings.rules), placeholders(settings.rules))
        if rule.status == "ok"
    ]
    seen = None
    if lake is not None:
        here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
        with here.engine() as engine:
            seen = _Seen(engine.run("sigma/event_classes").to_pylist())
    return Coverage(
        len(rules),
        _attack(rules),
        [
            Technique(name, [name.split(".")[1]], _tagged(rules, f"stratus.{name}"))
            for name in stratus()
        ],
        [spot for rule in rules if rule.condition for spot in _blind(rule, rule.condition, seen)],
    )


@cache
def stratus() -> tuple[str, ...]:
    """Return the names of Stratus Red Team's techniques for AWS."""
    text = resources.files("ctanalytics.sigma").joinpath("data", "stratus.toml").read_text("utf-8")
    return tuple(f"aws.{name}" for name in tomllib.loads(text)["aws"])


def _attack(rules: Sequence[Rule]) -> list[Technique]:
    tactics: dict[str, set[str]] = {}
    for rule in rules:
        names = [tag.removeprefix("attack.") for tag in rule.tags if tag.startswith("attack.")]
        about = {name.replace("_", "-") for name in names} & set(TACTICS)
        for name in names:
            if name[:1] == "t" and name[1:5].isdigit():
                tactics.setdefault(name, set()).update(about)
    return [
        Technique(name.upper(), sorted(tactics[name]), _tagged(rules, f"attack.{name}"))
        for name in sorted(tactics)
    ]


def _tagged(rules: Iterable[Rule], tag: str) -> list[str]:
    return sorted(shown_path(rule.path) for rule in rules if tag in rule.tags)


class _Seen:
    """The events that a lake has."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.apis = {(_low(row["event_source"]), _low(row["event_name"])) for row in rows}
        self.accounts = {row["account_id"] for row in rows}
        self.data: dict[str, set[str]] = {}
        for row in rows:
            if row["is_data"]:
                self.data.setdefault(_low(row["event_source"]), set()).add(row["account_id"])


def _low(text: str | None) -> str:
    return (text or "").lower()


def _blind(rule: Rule, node: Any, seen: _Seen | None) -> Iterator[BlindSpot]:
    sources = required(node, "event_source")
    names = required(node, "event_name")
    if not sources or not names:
        return
    spelling = {name.lower(): name for name in spelled(node, "event_name")}
    pairs = [(source, spelling[name]) for source in sorted(sources) for name in sorted(names)]
    for reason in _reasons(pairs, len(sources) == 1, seen):
        yield BlindSpot(rule.rule_id, rule.title, shown_path(rule.path), reason)


def _reasons(
    pairs: Sequence[tuple[str, str]], is_one_source: bool, seen: _Seen | None
) -> Iterator[str]:
    met = seen.apis if seen else set()
    if any((source, name.lower()) in met for source, name in pairs):
        return
    unknown = [name for source, name in pairs if apis.exists(source, name) is False]
    if is_one_source and len(unknown) == len(pairs):
        yield f"CloudTrail has no event {', '.join(unknown)} of {pairs[0][0]} that is known here"
        return
    data = {source for source, name in pairs if apis.is_data_event(source, name)}
    others = [pair for pair in pairs if not apis.is_data_event(*pair)]
    if seen is None or others:
        return
    for source in sorted(data):
        missing = sorted(filter(None, seen.accounts - seen.data.get(source, set())))
        if missing:
            listed = ", ".join(missing[:5]) + (" and others" if len(missing) > 5 else "")
            yield f"data events of {source} are not logged in {listed}"
