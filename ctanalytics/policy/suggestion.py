"""The policy that a history needs, statement by statement, and what a granted policy has beyond it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.policy import actions
from ctanalytics.policy.document import Policy
from ctanalytics.policy.usage import History, Use

MOST_CHARACTERS: Final = 6_144
"""Of a managed policy, white space not counted. Source: IAM User Guide, "IAM and STS quotas"."""
_FEW: Final = 10
"""So many ARNs of one folder are listed; with wildcards more become one pattern."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """One statement: actions of one service that were used on the same resources."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why_any: str | None
    """Why the resource is `*`."""
    doubtful: bool
    """Whether it is only likely to be needed."""
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Granted:
    """One action that a policy allows."""

    action: str
    sids: tuple[str, ...]
    state: str
    """used, unused, or ? where the logs can't tell."""
    why: str | None


def suggested(history: History, *, wildcards: bool = False) -> list[Suggested]:
    """Return the statements that a history needs.

    Args:
        wildcards: many ARNs of one folder become a pattern; else every one is listed.
    """
    groups: dict[tuple[str, tuple[str, ...], bool], list[Use]] = {}
    for use in history.used.values():
        chosen = ("*",) if use.why_any else tuple(sorted(use.resources))
        if wildcards and chosen != ("*",):
            chosen = tuple(merged(chosen))
        service = use.action.partition(":")[0]
        groups.setdefault((service, chosen, use.doubt is not None), []).append(use)
    return [
        Suggested(
            tuple(sorted(use.action for use in uses)),
            chosen,
            _why(uses),
            doubtful,
            tuple(sorted(uses, key=lambda use: use.action)),
        )
        for (_, chosen, doubtful), uses in sorted(groups.items(), key=lambda each: each[0])
    ]


def _why(uses: Sequence[Use]) -> str | None:
    reasons = dict.fromkeys(use.why_any for use in uses if use.why_any)
    return "; ".join(reason for reason in reasons if reason) or None


def merged(arns: Sequence[str]) -> list[str]:
    """Turn many ARNs of one folder into a pattern for the folder, from the deepest folder up."""
    found = set(arns)
    while True:
        folders: dict[str, list[str]] = {}
        for arn in found:
            folder = _folder(arn.removesuffix("/*"))
            if folder:
                folders.setdefault(folder, []).append(arn)
        crowded = [folder for folder, inside in folders.items() if len(inside) > _FEW]
        if not crowded:
            return sorted(found)
        deepest = max(crowded, key=lambda folder: (folder.count("/"), folder))
        found -= set(folders[deepest])
        found.add(f"{deepest}*")


def _folder(arn: str) -> str:
    """An ARN up to its last slash, else up to the colon before its own name."""
    head, resource = ":".join(arn.split(":")[:5]), arn.split(":", 5)[-1]
    cut = max(resource.rfind("/"), resource.rfind(":"))
    return f"{head}:{resource[: cut + 1]}" if cut > 0 else ""


def document(statements: Iterable[Suggested]) -> dict[str, Any]:
    """Return the policy as IAM takes it."""
    made = []
    for place, each in enumerate(statements, start=1):
        service = "".join(part.capitalize() for part in each.actions[0].split(":")[0].split("-"))
        made.append(
            {
                "Sid": f"Statement{place}{service}{'Unproven' if each.doubtful else ''}",
                "Effect": "Allow",
                "Action": list(each.actions),
                "Resource": list(each.resources),
            }
        )
    return {"Version": "2012-10-17", "Statement": made}


def characters(found: Mapping[str, Any]) -> int:
    """Count a policy's characters as IAM's quota does."""
    return len(json.dumps(found, separators=(",", ":")))


def granted(policy: Policy, history: History, data_sources: frozenset[str]) -> list[Granted]:
    """Tell of each action that a policy allows whether it was used.

    An action whose every use an explicit denial forbids counts as allowed here: what a denial
    takes away, the replay shows.
    """
    sids: dict[str, list[str]] = {}
    for statement in policy.statements:
        if statement.effect != "Allow":
            continue
        patterns = statement.actions or ("*",)
        for pattern in patterns:
            for action in actions.expanded(pattern):
                if statement.names(action):
                    sids.setdefault(action, []).append(statement.sid)
    return [_granted(action, sids[action], history, data_sources) for action in sorted(sids)]


def _granted(
    action: str, sids: Sequence[str], history: History, data_sources: frozenset[str]
) -> Granted:
    names = tuple(dict.fromkeys(sids))
    use = history.used.get(action)
    if use and use.doubt is None:
        return Granted(action, names, "used", None)
    why = actions.unrecorded(action, data_sources)
    return Granted(action, names, "?" if why else "unused", why)
