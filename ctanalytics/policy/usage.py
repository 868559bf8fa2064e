"""A principal's history as uses of IAM actions: how often, when last, on what, and how sure that is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics.policy import actions, arns
from ctanalytics.policy.actions import Needed
from ctanalytics.policy.arns import Request, Resources

Row = Mapping[str, Any]

HANDING_ON: Final = "iam:PassRole"
_SAMPLES: Final = 3
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")
_ROLE_KEY = re.compile(r"role(?:arn)?$", re.I)
_TAKES_NO_ROLE: Final = frozenset(("sts", "iam", "kms"))
"""Services whose requests name roles without passing them on."""


@dataclass
class Use:
    """One IAM action in a principal's history."""

    action: str
    doubt: str | None = None
    """Why it is only likely to be needed; shown as `?`."""
    calls: int = 0
    errors: int = 0
    calls_by_services: int = 0
    first_use: dt.datetime | None = None
    last_use: dt.datetime | None = None
    event_ids: list[str] = field(default_factory=list)
    event_names: set[str] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)
    unproven: dict[str, int] = field(default_factory=dict)
    """Calls whose resource is not known, by the reason."""

    @property
    def why_any(self) -> str | None:
        """Why the action needs `*` as its resource; None when the log proves all of them."""
        if not self.unproven:
            return None
        (reason, _), *more = sorted(self.unproven.items(), key=lambda each: (-each[1], each[0]))
        calls = sum(self.unproven.values())
        if self.resources or more:
            return f"{reason} (for {calls:,} of {self.calls:,} calls)"
        return reason

    def add(self, row: Row) -> None:
        """Add what a row of `policy/usage` counts."""
        self.calls += row["calls"]
        self.errors += row["errors"]
        self.calls_by_services += row["calls_by_services"]
        self.event_names.add(f"{row['event_source']} {row['event_name']}")
        first, last = row["first_use"], row["last_use"]
        self.first_use = min(filter(None, (self.first_use, first)), default=None)
        if self.last_use is None or last > self.last_use:
            self.event_ids = [*row["event_ids"], *self.event_ids][:_SAMPLES]
            self.last_use = last
        else:
            self.event_ids = [*self.event_ids, *row["event_ids"]][:_SAMPLES]


@dataclass(frozen=True, slots=True)
class History:
    """All uses of a principal, by action."""

    used: Mapping[str, Use]
    denied: Mapping[str, Use]
    unneeded: Mapping[str, int]
    """Calls that no identity policy has to allow, by event."""


def history(usage: Iterable[Row], requests: Iterable[Row], *, most: int) -> History:
    """Count uses of actions.

    Args:
        usage: rows of `policy/usage`.
        requests: rows of `policy/requests`, of each event at most `most`.
    """
    found: dict[str, dict[str, Use]] = {"used": {}, "denied": {}}
    unneeded: dict[str, int] = {}
    per_event: dict[tuple[str, str], int] = {}
    asked = list(requests)
    for row in asked:
        key = (row["event_source"], row["event_name"])
        per_event[key] = per_event.get(key, 0) + 1
    versions = _versions(asked)
    for row in usage:
        needs, *others = versions.get(_key(row), [_needed(row, versioned=False)])
        if others:
            continue
        if not needs.actions:
            name = f"{row['event_source']} {row['event_name']}"
            unneeded[name] = unneeded.get(name, 0) + row["calls"]
        for action in needs.actions:
            _use(found[row["outcome"]], action, needs).add(row)
    for row in asked:
        if len(versions[_key(row)]) > 1:
            for action in needs_of(row).actions:
                _use(found[row["outcome"]], action, needs_of(row)).add(_counted(row))
        _add_resources(found[row["outcome"]], row)
        if row["outcome"] == "used":
            _add_passed(found["used"], row)
    for (source, name), count in per_event.items():
        if count >= most:
            _give_up(found, actions.needed(source, name), most)
    return History(found["used"], found["denied"], unneeded)


def needs_of(row: Row) -> Needed:
    """Return the actions that a row of `policy/requests` needs."""
    return _needed(row, versioned=_is_versioned(row))


def asked_for(row: Row) -> Request:
    """Return what a row of `policy/requests` tells of its resources."""
    return arns.request(
        row["account_id"] or "",
        row["aws_region"] or "",
        row["resource_arns"],
        row["request_parameters"],
    )


def resources(action: str, row: Row) -> Resources:
    """Return what a row of `policy/requests` used an action on."""
    return arns.proven(action, asked_for(row))


def passed_roles(row: Row) -> Iterator[str]:
    """Yield roles that a request hands on to a service."""
    if actions.service_of(row["event_source"]) not in _TAKES_NO_ROLE:
        yield from sorted(set(_roles(asked_for(row).parameters)))


def _roles(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _roles(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _roles(inner, key)
    elif isinstance(value, str) and _ROLE_KEY.search(key) and _ROLE.fullmatch(value):
        yield value


def _key(row: Row) -> tuple[str, str, str]:
    return row["event_source"], row["event_name"], row["outcome"]


def _versions(requests: Iterable[Row]) -> dict[tuple[str, str, str], list[Needed]]:
    """What the requests of an event need: with S3 it may be more than one thing."""
    found: dict[tuple[str, str, str], list[Needed]] = {}
    for row in requests:
        needed = needs_of(row)
        known = found.setdefault(_key(row), [])
        if needed not in known:
            known.append(needed)
    return found


def _needed(row: Row, *, versioned: bool) -> Needed:
    return actions.needed(row["event_source"] or "", row["event_name"] or "", versioned=versioned)


def _is_versioned(row: Row) -> bool:
    return row["event_source"] == "s3.amazonaws.com" and '"versionId"' in (
        row["request_parameters"] or ""
    )


def _use(uses: dict[str, Use], action: str, needed: Needed) -> Use:
    if action not in uses:
        doubt = None if needed.known else "IAM lists no action of this name"
        uses[action] = Use(action, doubt)
    return uses[action]


def _add_resources(uses: Mapping[str, Use], row: Row) -> None:
    for action in needs_of(row).actions:
        use = uses.get(action)
        if use is None:
            continue
        found = resources(action, row)
        if found.why:
            use.unproven[found.why] = use.unproven.get(found.why, 0) + row["calls"]
        use.resources.update(found.arns)


def _add_passed(uses: dict[str, Use], row: Row) -> None:
    for role in passed_roles(row):
        use = uses.setdefault(
            HANDING_ON, Use(HANDING_ON, actions.unrecorded(HANDING_ON, frozenset()))
        )
        use.resources.add(role)
        use.add(_counted(row))


def _counted(row: Row) -> Row:
    """A row of `policy/requests` as one of `policy/usage`."""
    return {
        **row,
        "errors": 0,
        "calls_by_services": 0,
        "first_use": row["last_use"],
        "event_ids": [row["event_id"]],
    }


def _give_up(found: Mapping[str, dict[str, Use]], needed: Needed, most: int) -> None:
    """Of too many different requests not all were looked at."""
    for uses in found.values():
        for action in needed.actions:
            if action in uses:
                why = f"more than {most:,} different requests"
                uses[action].unproven[why] = uses[action].calls
