"""The narrowest exceptions that silence most of a rule's matches and spare the ones to keep."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.settings import RuleException
from ctanalytics.sigma.rule import Rule

MASS: Final = 0.9
"""The share of the events that are not to be kept which makes up the mass."""
_MOST: Final = 3

Row = Mapping[str, Any]
Facts = tuple[str | None, str | None, str | None]
"""principal, account, network: what an exception can ask for; None: it does not."""


@dataclass(frozen=True)
class Advice:
    """Exceptions to put into the settings, the one that silences most first."""

    exceptions: list[RuleException]
    silenced: int
    """Events that they take out, together."""
    events: int
    kept: list[str]
    """Ids of the events that were to be kept, and are."""
    reason: str
    """What can be said of them in a sentence."""


def advise(rule: Rule, rows: Sequence[Row], keep: Sequence[str]) -> Advice:
    """Choose exceptions for a rule's events.

    Each is made as narrow as what it silences allows: it names the principal, the account and
    the network (an IPv4 /24 or IPv6 /48, or a single address) wherever all those events share it.

    Args:
        rows: the events that the rule matches.
        keep: ids of those that must go on matching. Without any, the principal with the fewest
            events is left alone only if the mass needs no exception for it.
    """
    kept = [row for row in rows if row["event_id"] in keep]
    mass = [row for row in rows if row["event_id"] not in keep]
    left = list(mass)
    chosen: list[Facts] = []
    while left and len(chosen) < _MOST and len(mass) - len(left) < MASS * len(mass):
        found = _best(left, kept)
        if found is None:
            break
        chosen.append(found)
        left = [row for row in left if not _is_about(found, row)]
    exceptions = [_exception(rule, facts) for facts in chosen]
    silenced = len(mass) - len(left)
    return Advice(
        exceptions, silenced, len(rows), [row["event_id"] for row in kept], _said(mass, left, kept)
    )


_SHAPES: Final[tuple[Callable[[Facts], Facts], ...]] = (
    lambda facts: facts,
    lambda facts: (facts[0], facts[1], None),
    lambda facts: (facts[0], None, None),
    lambda facts: (facts[0], None, facts[2]),
    lambda facts: (None, facts[1], facts[2]),
    lambda facts: (None, None, facts[2]),
)


def _best(left: Sequence[Row], kept: Sequence[Row]) -> Facts | None:
    """What silences most of what is left and nothing that is kept; of equals, the narrowest."""
    counts: dict[Facts, int] = {}
    for row in left:
        whole = (row["principal"], row["account_id"], network(row["source_ip_address"]))
        for facts in {shape(whole) for shape in _SHAPES}:
            if any(facts):
                counts[facts] = counts.get(facts, 0) + 1
    allowed = [facts for facts in counts if not any(_is_about(facts, row) for row in kept)]
    if not allowed:
        return None
    best = max(allowed, key=lambda facts: (counts[facts], _width(facts), str(facts)))
    return _narrowed(best, [row for row in left if _is_about(best, row)])


def _width(facts: Facts) -> int:
    """How much an exception asks for; a principal counts most."""
    return 3 * (facts[0] is not None) + (facts[1] is not None) + (facts[2] is not None)


def _narrowed(facts: Facts, rows: Sequence[Row]) -> Facts:
    """The same with everything that all its events share, a lone address instead of its network."""
    principals = {row["principal"] for row in rows}
    accounts = {row["account_id"] for row in rows}
    addresses = {row["source_ip_address"] for row in rows}
    networks = {network(address) for address in addresses}
    where = networks.pop() if len(networks) == 1 else None
    if where is not None and len(addresses) == 1:
        where = str(ipaddress.ip_network(addresses.pop()))
    return (
        principals.pop() if len(principals) == 1 else facts[0],
        accounts.pop() if len(accounts) == 1 else facts[1],
        where,
    )


def _is_about(facts: Facts, row: Row) -> bool:
    principal, account, where = facts
    return (
        (principal is None or principal == row["principal"])
        and (account is None or account == row["account_id"])
        and (where is None or _inside(row["source_ip_address"], where))
    )


def _inside(address: str | None, where: str) -> bool:
    try:
        return ipaddress.ip_address(address or "") in ipaddress.ip_network(where)
    except ValueError:
        return False


def network(address: str | None) -> str | None:
    """Return the network of an address: IPv4 /24 or IPv6 /48; None for a service's name."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    length = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network(f"{parsed}/{length}", strict=False))


def _exception(rule: Rule, facts: Facts) -> RuleException:
    principal, account, where = facts
    return RuleException(
        rule=rule.key,
        reason="say here who looked at it, and why it is benign",
        principal=principal or "",
        account=account or "",
        network=where or "",
    )


def _said(mass: Sequence[Row], left: Sequence[Row], kept: Sequence[Row]) -> str:
    if not mass:
        return "there is nothing to silence"
    silenced = len(mass) - len(left)
    if not silenced and kept:
        return "what is to be kept shares principal, account and network with the rest"
    if silenced < MASS * len(mass):
        return f"{silenced} of {len(mass)} events can be silenced: the rest has too many origins"
    return f"{silenced} of {len(mass)} events would be silent"
