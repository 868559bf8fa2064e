"""Past calls judged by a policy that is only proposed: what it would have stopped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics.policy import usage
from ctanalytics.policy.document import Call, Policy, Verdict

_SAMPLES: Final = 3
_WORST: Final = {"allowed": 0, "?": 1, "denied": 2}


@dataclass
class Replayed:
    """Calls of one event that fare alike under a policy."""

    event_source: str
    event_name: str
    was: str
    """used or denied: what really happened."""
    verdict: Verdict
    actions: tuple[str, ...]
    """Of those needed, the ones that decide."""
    calls: int = 0
    last_use: dt.datetime | None = None
    event_ids: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    """The first few of them."""


def replay(
    policy: Policy, requests: Iterable[Mapping[str, Any]], *, principal_arn: str
) -> list[Replayed]:
    """Judge each request of a principal; the worst first.

    Args:
        requests: rows of `policy/requests`.
    """
    found: dict[tuple[Any, ...], Replayed] = {}
    for row in requests:
        needed = list(_judged(policy, row, principal_arn))
        if not needed:
            continue
        worst = max((verdict for _, _, verdict in needed), key=_WORST.__getitem__)
        deciding = tuple(dict.fromkeys(action for action, _, each in needed if each == worst))
        key = (row["event_source"], row["event_name"], row["outcome"], worst, deciding)
        made = found.setdefault(key, Replayed(*key))
        made.calls += row["calls"]
        if made.last_use is None or row["last_use"] > made.last_use:
            made.last_use = row["last_use"]
        made.event_ids = [*made.event_ids, row["event_id"]][:_SAMPLES]
        named = [arn for _, arn, each in needed if each == worst and arn]
        made.resources = list(dict.fromkeys([*made.resources, *named]))[:_SAMPLES]
    return sorted(
        found.values(),
        key=lambda each: (
            -_WORST[each.verdict],
            -each.calls,
            each.event_source,
            each.event_name,
            each.was,
            each.actions,
        ),
    )


def _judged(
    policy: Policy, row: Mapping[str, Any], principal_arn: str
) -> Iterable[tuple[str, str | None, Verdict]]:
    context = {
        "aws:requestedregion": row["aws_region"] or "",
        "aws:principalarn": principal_arn,
        "aws:principalaccount": principal_arn.split(":")[4] if ":" in principal_arn else "",
    }
    for action in usage.needs_of(row).actions:
        resources = usage.resources(action, row)
        targets: tuple[str | None, ...] = resources.arns
        if not targets:
            targets = ("*",) if resources.takes_none else (None,)
        for target in targets:
            yield action, target, policy.verdict(Call(action, target, context))
    for role in usage.passed_roles(row):
        yield usage.HANDING_ON, role, policy.verdict(Call(usage.HANDING_ON, role, context))
