"""IAM policy documents, and what they allow; conditions make an Allow no smaller.

Whoever may do something under a condition may do it: an audit says so rather than trust the
condition. A Deny counts only where it has none, but for the few that a check looks for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

ANYONE: Final = "*"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy, its lists as lists."""

    allow: bool
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...]
    """(AWS, Service or Federated, who)."""
    not_principals: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]
    """(operator, key, values); operator and key in lower case."""
    sid: str

    def does(self, action: str) -> bool:
        """Tell whether the statement speaks of an action."""
        if self.not_actions:
            return not any(fits(pattern, action) for pattern in self.not_actions)
        return any(fits(pattern, action) for pattern in self.actions)

    def reaches(self, resource: str) -> bool:
        """Tell whether it speaks of a resource, or of some of those that a pattern stands for."""
        if self.not_resources:
            return not any(fits(pattern, resource) for pattern in self.not_resources)
        return any(meet(pattern, resource) for pattern in self.resources)

    def covers(self, resource: str) -> bool:
        """Tell whether it speaks of all that a pattern stands for."""
        if self.not_resources:
            return False
        return any(fits(pattern, resource) for pattern in self.resources)

    def values(self, key: str, operators: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the values of a condition key, under any of these operators."""
        return tuple(
            value
            for operator, name, values in self.conditions
            if name == key.lower() and (not operators or _plain(operator) in operators)
            for value in values
        )

    @property
    def public(self) -> bool:
        """Whether it allows anybody: no condition says who, through what, or for whom."""
        if not self.allow or (self.not_principals and self.allow):
            return self.allow and self.not_principals
        if ANYONE not in [who for kind, who in self.principals if kind == "AWS"]:
            return False
        return not any(
            name in _NARROWING and _narrow(operator, values)
            for operator, name, values in self.conditions
        )


_NARROWING: Final = frozenset(
    (
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceowner",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "kms:calleraccount",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    )
)


def _narrow(operator: str, values: tuple[str, ...]) -> bool:
    return (
        _plain(operator)
        in (
            "stringequals",
            "stringlike",
            "stringequalsignorecase",
            "arnequals",
            "arnlike",
        )
        and ANYONE not in values
    )


def _plain(operator: str) -> str:
    """An operator without what makes it a set's, or lets the key be missing."""
    return (
        operator.removeprefix("forallvalues:").removeprefix("foranyvalue:").removesuffix("ifexists")
    )


def statements(document: object) -> tuple[Statement, ...]:
    """Read a policy's statements, from JSON or what it holds; none when it is no policy."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError):
            return ()
    if not isinstance(document, Mapping):
        return ()
    found = document.get("Statement", [])
    return tuple(
        _statement(one)
        for one in (found if isinstance(found, list) else [found])
        if isinstance(one, Mapping)
    )


def _statement(one: Mapping[str, Any]) -> Statement:
    principal = one.get("Principal", one.get("NotPrincipal", {}))
    return Statement(
        allow=one.get("Effect") == "Allow",
        actions=_texts(one.get("Action")),
        not_actions=_texts(one.get("NotAction")),
        resources=_texts(one.get("Resource")),
        not_resources=_texts(one.get("NotResource")),
        principals=tuple(_principals(principal)),
        not_principals="NotPrincipal" in one,
        conditions=tuple(_conditions(one.get("Condition"))),
        sid=str(one.get("Sid", "")),
    )


def _principals(principal: object) -> Iterator[tuple[str, str]]:
    if isinstance(principal, str):
        yield "AWS", principal
    elif isinstance(principal, Mapping):
        for kind, who in principal.items():
            yield from ((str(kind), one) for one in _texts(who))


def _conditions(condition: object) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if not isinstance(condition, Mapping):
        return
    for operator, keys in condition.items():
        if isinstance(keys, Mapping):
            for key, values in keys.items():
                yield str(operator).lower(), str(key).lower(), _texts(values)


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(_text(one) for one in value)
    return (_text(value),)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def allows(found: Iterable[Statement], action: str, resource: str = ANYONE) -> Statement | None:
    """Return the statement that allows an action on a resource; None when none, or one denies it.

    Args:
        resource: an ARN; `*` for any resource at all.
    """
    allowing = None
    for one in found:
        if not one.does(action):
            continue
        if not one.allow and not one.conditions and _denies(one, resource):
            return None
        if one.allow and allowing is None and (resource == ANYONE or one.reaches(resource)):
            allowing = one
    return allowing


def _denies(one: Statement, resource: str) -> bool:
    return one.covers(resource)


def fits(pattern: str, text: str) -> bool:
    """Tell whether a text matches a pattern of * and ?; case does not matter, as for actions."""
    return pattern == ANYONE or _compiled(pattern).fullmatch(text) is not None


def meet(one: str, other: str) -> bool:
    """Tell whether two patterns have a text in common, near enough: what leads up to their first
    wildcards agrees, and where one has none, it matches the other."""
    if not _wild(one) or not _wild(other):
        return fits(one, other) or fits(other, one)
    left, right = _head(one), _head(other)
    return left.startswith(right) or right.startswith(left)


def _wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _head(pattern: str) -> str:
    return re.split(r"[*?]", pattern, maxsplit=1)[0].lower()


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    body = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(body, re.IGNORECASE | re.DOTALL)
