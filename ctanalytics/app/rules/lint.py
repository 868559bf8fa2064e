"""Lint rules: what makes them hard to run, to find or to act on."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctanalytics.app.rules.listing import listing
from ctanalytics.settings import Settings
from ctanalytics.sigma import apis
from ctanalytics.sigma.condition import Node, fields
from ctanalytics.sigma.loading import LEVELS
from ctanalytics.sigma.reach import required, spelled
from ctanalytics.sigma.rule import Rule

_TAG: Final = re.compile(r"[a-z0-9-]+\.[a-z0-9._-]+")
_TECHNIQUE: Final = re.compile(r"attack\.(t\d{4}(\.\d{3})?|s\d{4}|g\d{4}|ta\d{4})")
TACTICS: Final = (
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "stealth",
    "defense-impairment",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
)


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about one rule."""

    path: str
    line: int
    rule_id: str | None
    severity: str
    """error: it does not run, or not as its writer means; warning: it could be better."""
    message: str


def lint(
    directories: Sequence[str | Path] = (), *, settings: Settings | None = None
) -> list[Remark]:
    """Check rules: ids, titles, tags, levels, field names that no event has, APIs that are none.

    Raises:
        RulesError: there is no such folder or file.
    """
    rules = listing(directories, settings=settings)
    ids = Counter(rule.rule_id for rule in rules if rule.rule_id)
    titles = Counter(rule.title for rule in rules if rule.title)
    return [
        Remark(rule.path, rule.line, rule.rule_id, severity, message)
        for rule in rules
        for severity, message in _remarks(rule, ids, titles)
    ]


def _remarks(rule: Rule, ids: Counter[str], titles: Counter[str]) -> Iterator[tuple[str, str]]:
    if rule.status != "ok":
        yield "error", rule.reason or rule.status
    elif rule.reason:
        yield "warning", rule.reason
    yield from _of_names(rule, ids, titles)
    yield from _of_description(rule)
    yield from _of_tags(rule)
    if rule.condition is not None:
        yield from _of_condition(rule.condition)


def _of_names(rule: Rule, ids: Counter[str], titles: Counter[str]) -> Iterator[tuple[str, str]]:
    if not rule.rule_id:
        yield "warning", "it has no id: alerts then go by its name or path"
    elif not _is_uuid(rule.rule_id):
        yield "error", f"the id {rule.rule_id!r} is no UUID"
    elif ids[rule.rule_id] > 1:
        yield "error", f"{ids[rule.rule_id]} rules have the id {rule.rule_id}"
    if not rule.title:
        yield "error", "it has no title"
    elif titles[rule.title] > 1:
        yield "warning", f"{titles[rule.title]} rules have the title {rule.title!r}"
    elif len(rule.title) > 110:
        yield "warning", f"the title has {len(rule.title)} characters: 110 at most are shown whole"


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _of_description(rule: Rule) -> Iterator[tuple[str, str]]:
    level = rule.document.get("level")
    if level is None:
        yield "warning", "it has no level, and counts as medium"
    elif level not in LEVELS:
        yield "error", f"there is no level {level!r}: use one of {', '.join(LEVELS)}"
    for key, what in (("description", "what it is about"), ("falsepositives", "who else does so")):
        if not rule.document.get(key):
            yield "warning", f"it has no {key}: nobody learns {what}"


def _of_tags(rule: Rule) -> Iterator[tuple[str, str]]:
    for tag in rule.tags:
        if not _TAG.fullmatch(tag):
            yield "error", f"the tag {tag!r} has not the form namespace.name in lower case"
        elif tag.startswith("attack."):
            is_tactic = tag.removeprefix("attack.").replace("_", "-") in TACTICS
            if not is_tactic and not _TECHNIQUE.fullmatch(tag):
                yield "warning", f"the tag {tag!r} is neither a tactic nor a technique of ATT&CK"


def _of_condition(node: Node) -> Iterator[tuple[str, str]]:
    for name in sorted({one.name for one in fields(node) if not one.documented}):
        yield "warning", f"no CloudTrail event has the field {name!r}"
    for source in sorted(set(spelled(node, "event_source"))):
        if not source.endswith((".amazonaws.com", ".amazon.com")):
            yield "warning", f"no event source is called {source!r}"
    sources = required(node, "event_source")
    if sources and len(sources) == 1:
        (source,) = sources
        for name in sorted(set(spelled(node, "event_name"))):
            if apis.exists(source, name) is False:
                yield "warning", f"{source} has no event {name!r} that is known here"
