"""What a surprising feature means in words that need no knowledge of features.

A clause says what was done, a contrast what the principal and its peers did before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ctanalytics import untrusted

_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Phrase:
    """How one feature reads.

    Attributes:
        raw: the column of the counted principal-day that a person would want to see.
        rank: which fact is told first; lower first.
        one: the clause for a value of 1; {names} stands for what was touched, in brackets.
        many: the clause for other values: {n}, or {times} for «twice» and «3 times».
        unit: what follows a number in a contrast.
        told_as: another feature that tells the same fact better, when its value is not 0.
    """

    raw: str
    rank: int
    one: str
    many: str
    unit: str = " a day"
    told_as: str = ""


PHRASES: Final = {
    "guard_calls": Phrase(
        "guard_calls",
        0,
        "changed or switched off what watches the account{names}",
        "changed or switched off what watches the account {times}{names}",
    ),
    "iam_write_calls": Phrase(
        "iam_write_calls",
        1,
        "changed identities or permissions once{names}",
        "changed identities or permissions {times}{names}",
    ),
    "secret_calls": Phrase(
        "secret_calls",
        1,
        "read a secret or parameter{names}",
        "read secrets or parameters {times}{names}",
    ),
    "sharing_calls": Phrase(
        "sharing_calls",
        1,
        "opened data or machines to others once{names}",
        "opened data or machines to others {times}{names}",
    ),
    "delete_calls": Phrase(
        "delete_calls", 2, "deleted something{names}", "deleted {n} things{names}"
    ),
    "new_apis": Phrase(
        "new_apis",
        3,
        "called an API that was new to it{names}",
        "called {n} APIs that were new to it{names}",
    ),
    "new_networks": Phrase(
        "new_networks",
        4,
        "came from a network that was new to it{names}",
        "came from {n} networks that were new to it{names}",
    ),
    "new_regions": Phrase(
        "new_regions",
        4,
        "acted in a region that was new to it{names}",
        "acted in {n} regions that were new to it{names}",
    ),
    "new_roles": Phrase(
        "new_roles",
        4,
        "assumed a role that was new to it",
        "assumed {n} roles that were new to it",
    ),
    "new_services": Phrase(
        "new_services",
        4,
        "used a service that was new to it",
        "used {n} services that were new to it",
    ),
    "new_countries": Phrase(
        "new_countries",
        4,
        "came from a country that was new to it",
        "came from {n} countries that were new to it",
    ),
    "console_calls": Phrase(
        "console_calls", 7, "made a call in the console", "made {n} calls in the console"
    ),
    "new_agents": Phrase(
        "new_agents",
        5,
        "used a program that was new to it{names}",
        "used {n} programs that were new to it{names}",
    ),
    "sign_ins_without_mfa": Phrase(
        "sign_ins_without_mfa",
        2,
        "signed in to the console without MFA",
        "signed in to the console {times} without MFA",
    ),
    "denied_share": Phrase(
        "denied_calls", 5, "was refused a call{names}", "was refused {n} calls{names}"
    ),
    "errors": Phrase("errors", 6, "had a call fail{names}", "had {n} calls fail{names}"),
    "error_share": Phrase(
        "errors", 6, "had a call fail{names}", "had {n} calls fail{names}", told_as="denied_share"
    ),
    "error_codes": Phrase(
        "error_codes", 7, "met a kind of error", "met {n} kinds of errors", told_as="denied_share"
    ),
    "burst_calls": Phrase(
        "burst_calls", 6, "made a call", "made {n} calls within 5 minutes", unit=" within 5 minutes"
    ),
    "calls": Phrase("calls", 7, "made a call", "made {n} calls"),
    "writes": Phrase("writes", 6, "made a changing call{names}", "made {n} changing calls{names}"),
    "data_calls": Phrase("data_calls", 7, "read or wrote data once", "read or wrote data {times}"),
    "active_slots": Phrase(
        "active_slots", 8, "was active for 5 minutes", "was active in {n} spans of 5 minutes"
    ),
    "apis": Phrase("apis", 7, "called an API", "called {n} different APIs"),
    "read_apis": Phrase(
        "read_apis", 7, "called a reading API", "called {n} different reading APIs"
    ),
    "services": Phrase("services", 7, "used a service", "used {n} services"),
    "regions": Phrase("regions", 7, "acted in one region", "acted in {n} regions"),
    "accounts": Phrase("accounts", 7, "acted in one account", "acted in {n} accounts"),
    "api_entropy": Phrase(
        "apis", 8, "called one API", "spread its calls over {n} APIs", told_as="apis"
    ),
    "networks": Phrase("networks", 7, "came from one network", "came from {n} networks{names}"),
    "agents": Phrase("agents", 8, "used one program", "used {n} programs{names}"),
    "network_rarity": Phrase(
        "networks",
        6,
        "came from a network that is rare for it{names}",
        "came from networks that are rare for it{names}",
        told_as="new_networks",
    ),
    "agent_rarity": Phrase(
        "agents",
        7,
        "used a program that is rare for it{names}",
        "used programs that are rare for it{names}",
        told_as="new_agents",
    ),
    "api_rarity_max": Phrase(
        "apis",
        6,
        "called an API that is rare for it{names}",
        "called an API that is rare for it{names}",
        told_as="new_apis",
    ),
    "api_rarity_mean": Phrase(
        "apis",
        6,
        "called an API that is rare for it{names}",
        "mostly called APIs that are rare for it{names}",
        told_as="new_apis",
    ),
    "hour_distance": Phrase(
        "hour_distance",
        6,
        "was active an hour off its usual hours",
        "was active {n} hours off its usual hours",
        unit=" hours",
    ),
    "weekend": Phrase("weekend", 9, "was active on a weekend", "was active on a weekend"),
    "sign_ins": Phrase(
        "sign_ins", 7, "signed in to the console", "signed in to the console {times}"
    ),
    "access_keys": Phrase("access_keys", 8, "used one access key", "used {n} access keys"),
    "assume_role_calls": Phrase(
        "assume_role_calls", 7, "assumed a role once", "assumed roles {times}"
    ),
    "cross_account_calls": Phrase(
        "cross_account_calls",
        5,
        "made a call into another account",
        "made {n} calls into other accounts",
    ),
}

_UNCOUNTED: Final = frozenset(
    {"network_rarity", "agent_rarity", "api_rarity_max", "api_rarity_mean", "weekend"}
)
"""Their numbers say nothing to a person, so no contrast is made of them."""


def clause(feature: str, value: int, names: Sequence[str], *, in_all: int = 0) -> str:
    """Say what was done, such as «read secrets or parameters 41 times (GetSecretValue)».

    Args:
        in_all: how many names there are, when not all are given.
    """
    phrase = PHRASES[feature]
    text = phrase.one if value == 1 else phrase.many
    times = "twice" if value == 2 else f"{value:,} times"
    return text.format(n=f"{value:,}", times=times, names=_named(names, max(in_all, len(names))))


def contrast(
    feature: str,
    *,
    days: int,
    own_most: int,
    peers: int,
    peers_most: int,
    peers_alike: int,
    span_days: int = 1,
) -> str:
    """Say what was usual: «in the 30 days before it never did, and its 23 peers at most 2 a day».

    Args:
        own_most: the principal's highest value in the days before.
        peers: how many there are.
        peers_most: their highest value.
        peers_alike: how many of them reached the value that is told.
        span_days: days that the values are counted over.
    """
    if feature in _UNCOUNTED:
        return ""
    unit = PHRASES[feature].unit
    if span_days > 1:
        unit = unit.replace(" a day", f" in {span_days} days")
    past = f"in the {days} days before "
    past += "it never did" if own_most == 0 else f"at most {own_most:,}{unit}"
    if not peers:
        return past
    group = "its one peer" if peers == 1 else f"its {peers:,} peers"
    if peers_most == 0:
        return f"{past}, nor did {group}" if own_most == 0 else f"{past}, and {group} never did"
    if not peers_alike:
        return f"{past}, and {group} at most {peers_most:,}{unit}"
    return f"{past}, and {peers_alike:,} of {group} did as much"


def _named(names: Sequence[str], in_all: int) -> str:
    if not names:
        return ""
    shown = [untrusted.one_line(name, limit=60) for name in names[:_NAMED]]
    rest = in_all - len(shown)
    if rest:
        return f" ({', '.join(shown)} and {rest} more)"
    return f" ({', '.join(shown)})"
