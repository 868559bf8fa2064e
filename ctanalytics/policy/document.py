"""IAM policy documents: read with all their faults told at once, and judged for one call.

What is judged is this document alone. Service control policies, permissions boundaries, session
policies and resource policies are not here, and may allow less, or more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from ctanalytics.errors import UsageError, reason
from ctanalytics.policy import actions

Verdict = Literal["allowed", "denied", "?"]
Match = Literal["yes", "no", "?"]

_VARIABLE = re.compile(r"\$\{[^}]*\}")
_NEGATED: Final = frozenset(("StringNotEquals", "StringNotLike", "StringNotEqualsIgnoreCase"))
_OPERATORS: Final = (
    frozenset(("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"))
    | _NEGATED
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call as a policy sees it."""

    action: str
    resource: str | None
    """An ARN; "*" for an action that takes none; None when the log does not prove which."""
    context: Mapping[str, str] = field(default_factory=dict)
    """Condition keys in lower case that the log proves."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `resources` and `actions` are patterns."""

    sid: str
    effect: Literal["Allow", "Deny"]
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]]

    def matches(self, call: Call) -> Match:
        """Tell whether the statement speaks of a call; "?" where the log can't tell."""
        if not self.names(call.action):
            return "no"
        return _all((self._resource(call.resource), *self._conditions(call.context)))

    def names(self, action: str) -> bool:
        """Tell whether an action is among those of the statement."""
        lower = action.lower()
        if self.not_actions:
            return not any(actions.matches(lower, each.lower()) for each in self.not_actions)
        return any(actions.matches(lower, each.lower()) for each in self.actions)

    def _resource(self, resource: str | None) -> Match:
        if self.not_resources:
            found = _any(_like(resource, each) for each in self.not_resources)
            return {"yes": "no", "no": "yes", "?": "?"}[found]  # type: ignore[return-value]  # a Match each
        return _any(_like(resource, each) for each in self.resources)

    def _conditions(self, context: Mapping[str, str]) -> Iterator[Match]:
        for operator, tests in self.conditions.items():
            for key, wanted in tests.items():
                yield _condition(operator, context.get(key.lower()), _list(wanted))


@dataclass(frozen=True, slots=True)
class Policy:
    """The statements of one or more documents."""

    statements: tuple[Statement, ...]

    def verdict(self, call: Call) -> Verdict:
        """Judge a call: an explicit denial goes before all, and what no statement allows is denied."""
        denied = _any(each.matches(call) for each in self.statements if each.effect == "Deny")
        allowed = _any(each.matches(call) for each in self.statements if each.effect == "Allow")
        if denied == "yes" or allowed == "no":
            return "denied"
        return "allowed" if (allowed, denied) == ("yes", "no") else "?"


def read(path: Path) -> Policy:
    """Read a policy file: a document, a list of them, or what `aws iam get-policy-version` prints.

    Raises:
        UsageError: it can't be read, naming every fault.
    """
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"the policy can't be read: {reason(error)}",
            where=str(path),
            mend="name a file with one IAM policy document as JSON",
        ) from error
    faults: list[str] = []
    statements = tuple(
        statement
        for document in (found if isinstance(found, list) else [found])
        for statement in _document(document, faults)
    )
    if faults or not statements:
        raise UsageError(
            "the policy has faults: " + "; ".join(faults or ["it has no statement"]),
            where=str(path),
            mend="correct them; IAM's console and `aws accessanalyzer validate-policy` find the same",
        )
    return Policy(statements)


def _document(found: Any, faults: list[str]) -> Iterator[Statement]:
    for key in ("PolicyVersion", "Document", "PolicyDocument"):
        if isinstance(found, dict) and key in found:
            found = found[key]
    if not isinstance(found, dict) or "Statement" not in found:
        faults.append("a document has no Statement")
        return
    for place, each in enumerate(_list(found["Statement"]), start=1):
        statement = _statement(each, place, faults)
        if statement:
            yield statement


def _statement(found: Any, place: int, faults: list[str]) -> Statement | None:
    if not isinstance(found, dict):
        faults.append(f"statement {place} is no object")
        return None
    name = f"statement {place}" + (f" ({found['Sid']})" if found.get("Sid") else "")
    before = len(faults)
    if found.get("Effect") not in ("Allow", "Deny"):
        faults.append(f"{name}: Effect must be Allow or Deny")
    if "Principal" in found or "NotPrincipal" in found:
        faults.append(f"{name}: it has a Principal, so it is no identity policy")
    parts: dict[str, tuple[str, ...]] = {}
    for key in ("Action", "Resource"):
        if (key in found) == (f"Not{key}" in found):
            faults.append(f"{name}: it needs either {key} or Not{key}")
        for spelled in (key, f"Not{key}"):
            values = _list(found.get(spelled, []))
            if not all(isinstance(value, str) for value in values):
                faults.append(f"{name}: {spelled} must be texts")
            parts[spelled] = tuple(str(value) for value in values)
    conditions = found.get("Condition", {})
    if not _is_condition(conditions):
        faults.append(f"{name}: Condition must be operators with keys and values")
    if len(faults) > before:
        return None
    return Statement(
        str(found.get("Sid") or place),
        found["Effect"],
        parts["Action"],
        parts["NotAction"],
        parts["Resource"],
        parts["NotResource"],
        conditions,
    )


def _is_condition(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(tests, dict) for tests in found.values())


def _like(resource: str | None, pattern: str) -> Match:
    if pattern == "*":
        return "yes"
    if resource is None:
        return "?"
    if not _VARIABLE.search(pattern):
        return "yes" if actions.matches(resource, pattern) else "no"
    # What a policy variable stands for is not in the log; what it can't be is.
    return "?" if actions.matches(resource, _VARIABLE.sub("*", pattern)) else "no"


def _condition(operator: str, value: str | None, wanted: Sequence[Any]) -> Match:
    """Judge one condition by what the log proves; any other key or operator is "?"."""
    plain = operator.removesuffix("IfExists")
    texts = [one for one in wanted if isinstance(one, str)]
    if value is None or plain not in _OPERATORS or len(texts) != len(wanted):
        return "?"
    if any(_VARIABLE.search(one) for one in texts):
        return "?"
    if plain.endswith("IgnoreCase"):
        value, texts = value.lower(), [one.lower() for one in texts]
    if plain.endswith("Like") or plain.startswith("Arn"):
        hit = any(actions.matches(value, one) for one in texts)
    else:
        hit = value in texts
    return "yes" if hit != (plain in _NEGATED) else "no"


def _any(found: Iterable[Match]) -> Match:
    seen = set(found)
    return "yes" if "yes" in seen else "?" if "?" in seen else "no"


def _all(found: Iterable[Match]) -> Match:
    seen = set(found)
    return "no" if "no" in seen else "?" if "?" in seen else "yes"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
