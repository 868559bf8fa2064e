"""Which parts of a record are hidden: JSON paths from the settings, made into a tree of keys.

A path is `responseElements.credentials.sessionToken`, `resources[*].ARN` (each element of a list),
`requestParameters.*.password` (each key), or `requestParameters."a.key with dots"`. It begins with
a top-level field; keys are written as AWS writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ctanalytics.errors import SettingsError

ANY_KEY: Final = "*"
ANY_ELEMENT: Final = "[*]"

NEEDED: Final = frozenset(
    (
        "eventVersion",
        "eventTime",
        "eventID",
        "eventSource",
        "eventName",
        "awsRegion",
        "eventType",
        "eventCategory",
        "recipientAccountId",
        "readOnly",
        "managementEvent",
        "sessionCredentialFromConsole",
    )
)
"""Fields by which rows are found, dated and told apart; without them a lake answers nothing."""

_SEGMENT: Final = re.compile(
    r'(?:(?:^|\.)(?P<key>[^.\[\]"*,\s]+|\*|"(?:[^"\\,]|\\.)+")|(?P<element>\[\*\]))'
)
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """One path, and what becomes of the values it leads to."""

    path: str
    segments: tuple[str, ...]
    action: str  # mask or hash

    @property
    def needle(self) -> bytes | None:
        """Bytes without which a text has nothing to hide; None when only a parse can tell."""
        keys = [name for name in self.segments[1:] if name not in (ANY_KEY, ANY_ELEMENT)]
        last = (keys or [self.segments[0]])[-1]
        return last.encode() if _PLAIN.fullmatch(last) else None


@dataclass(slots=True)
class Node:
    """A place in a record; from it lead keys, any key, any element; at its end stands a rule."""

    keys: dict[bytes, Node] = field(default_factory=dict)
    any_key: Node | None = None
    any_element: Node | None = None
    rule: Rule | None = None

    def add(self, rule: Rule) -> None:
        """Put a rule at the end of its path."""
        node = self
        for segment in rule.segments:
            node = node._next(segment)
        # Of two rules for one path, the one that hides more counts.
        if node.rule is None or rule.action == "mask":
            node.rule = rule

    def _next(self, segment: str) -> Node:
        if segment == ANY_KEY:
            self.any_key = self.any_key or Node()
            return self.any_key
        if segment == ANY_ELEMENT:
            self.any_element = self.any_element or Node()
            return self.any_element
        return self.keys.setdefault(segment.encode(), Node())


def rule(path: str, action: str) -> Rule:
    """Read one path.

    Raises:
        SettingsError: it is no path, or hides what a lake can't do without.
    """
    segments = tuple(_segments(path, action))
    if segments[0] in NEEDED:
        raise _refused(path, action, f"{segments[0]} is needed to find, date and tell rows apart")
    return Rule(path, segments, action)


def _segments(path: str, action: str) -> Iterator[str]:
    place = 0
    for match in _SEGMENT.finditer(path):
        if match.start() != place:
            break
        place = match.end()
        found = match["key"] or match["element"]
        if match.start() == 0 and found in (ANY_KEY, ANY_ELEMENT):
            raise _refused(path, action, "a path begins with a top-level field")
        try:
            yield json.loads(found) if found.startswith('"') else found
        except ValueError:
            raise _refused(path, action, f"{found} is no quoted key") from None
    if place != len(path) or not path or path.startswith("."):
        raise _refused(path, action, f"it is no path from character {place + 1} on")


def _refused(path: str, action: str, why: str) -> SettingsError:
    return SettingsError(
        f"redact.{action}: {path!r} can't be used: {why}",
        where="[redact] of the settings",
        mend="write paths like responseElements.credentials.sessionToken or resources[*].ARN",
    )


def tree(rules: Sequence[Rule]) -> Node:
    """Join rules to one tree."""
    root = Node()
    for found in rules:
        root.add(found)
    return root
