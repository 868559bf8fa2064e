"""First times of a principal in words, and the events behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.detectors.behaviour_facts import Api, Touched, literal, of_apis, one_of
from ctanalytics.detectors.wording import short_principal

_NAMED: Final = 3
_TOLD: Final = 3

_CLAUSES: Final = {
    "api": "called {names}",
    "role": "assumed {names}",
    "person": "was used by {names}",
    "country": "came from {names}",
    "network": "came from {names}",
    "region": "acted in {names}",
    "account": "acted in {names}",
    "agent": "used {names}",
}


@dataclass(frozen=True, slots=True)
class First:
    """The first times of one kind on a day: values, the strangest first, and its weight."""

    kind: str
    values: tuple[str, ...]
    weight: float
    is_sensitive: bool


def firsts(news: Sequence[Mapping[str, Any]], principal_key: str) -> list[First]:
    """Group first times by kind, sensitive calls first, then the strangest kind.

    A principal that is new to everybody is not told to have been used by itself.
    """
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for one in news:
        if not (one["kind"] == "person" and one["value"] == principal_key):
            kinds.setdefault(one["kind"], []).append(one)
    found = [
        First(
            kind,
            tuple(str(one["value"]) for one in ones),
            float(ones[0]["weight"]),
            any(one["is_sensitive"] for one in ones),
        )
        for kind, ones in kinds.items()
    ]
    kinds_in_order = list(_CLAUSES)
    return sorted(
        found,
        key=lambda first: (
            not first.is_sensitive,
            -first.weight,
            kinds_in_order.index(first.kind),
        ),
    )


def title(told: Sequence[First], who: str) -> str:
    """Name the principal and its strangest first time."""
    return f"{who} {_clause(told[0])} for the first time"


def sentence(
    told: Sequence[First],
    who: str,
    place: str,
    *,
    days: int,
    is_stranger: bool,
    peers: int,
    peers_alike: int,
) -> str:
    """Tell the strangest first times in one sentence.

    Args:
        place: in how long and from where, such as « in 6 minutes from 203.0.113.9»; may be empty.
        days: how far its past was looked at.
        peers: others of its class; peers_alike: those that had done the first that is told.
    """
    clauses = [_clause(first) for first in told[:_TOLD]]
    done = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    times = {1: " for the first time", 2: ", both for the first time"}
    done += times.get(len(clauses), ", all for the first time")
    where = f",{place}" if place else ""
    before = (
        "nobody here had seen it before"
        if is_stranger
        else f"in the {days} days before it never did"
    )
    return f"{who} {done}{where}; {before}{_peers(peers, peers_alike)}."


def _peers(peers: int, alike: int) -> str:
    if not peers:
        return ""
    if peers == 1:
        return f", and its one peer {'did' if alike else 'did not'}"
    return f", and {f'{alike:,}' if alike else 'none'} of its {peers:,} peers did"


def _clause(first: First) -> str:
    names = [_name(first.kind, value) for value in first.values[:_NAMED]]
    rest = len(first.values) - len(names)
    if rest:
        text = f"{', '.join(names)} and {rest:,} more"
    else:
        text = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return _CLAUSES[first.kind].format(names=text)


def _name(kind: str, value: str) -> str:
    if kind == "api":
        value = value.partition(":")[2] or value
    elif kind == "role":
        account = re.search(r":([0-9]{12}):", value)
        return short_principal(value) + (f" of account {account[1]}" if account else "")
    elif kind == "account":
        value = f"account {value}"
    elif kind == "person" and value.startswith("arn:"):
        return short_principal(value)
    return untrusted.one_line(value, limit=60)


def condition(told: Sequence[First], seen: Touched, places: Mapping[str, Any]) -> str | None:
    """Return SQL over `events` for what was done for the first time; None: all of the day.

    Args:
        places: by address, network and country as far as files tell them.
    """
    parts = [_condition(first, seen, places) for first in told]
    sharp = [f"({part})" for part in parts if part]
    return " or ".join(sharp) if len(sharp) == len(parts) else None


def _condition(first: First, seen: Touched, places: Mapping[str, Any]) -> str | None:
    values = set(first.values)
    if first.kind == "api":
        pairs = [value.partition(":") for value in first.values]
        return of_apis([Api(source, name, False, 0, 0) for source, _, name in pairs])
    if first.kind in ("network", "country"):
        return one_of("source_ip_address", _addresses(first.kind, values, seen, places))
    if first.kind == "agent":
        programs = [one for agent in values for one in seen.user_agents.get(agent, [])]
        return one_of("user_agent", programs)
    if first.kind == "role":
        arns = [literal(f'"{value}"') for value in sorted(values)]
        named = " or ".join(f"contains(request_parameters, {arn})" for arn in arns)
        return f"event_name like 'AssumeRole%' and ({named})"
    if first.kind == "person":
        person = "coalesce(on_behalf_of_user_id, source_identity, session_name, principal_arn)"
        return one_of(person, values)
    return one_of({"region": "aws_region", "account": "account_id"}[first.kind], values)


def _addresses(kind: str, values: set[str], seen: Touched, places: Mapping[str, Any]) -> list[str]:
    """Addresses of that day in these networks or countries."""
    found = []
    for network, addresses in seen.addresses.items():
        for address in addresses:
            known = places.get(address, {}).get(kind)
            own = network if kind == "network" else None
            if (known or own) in values:
                found.append(address)
    return found
