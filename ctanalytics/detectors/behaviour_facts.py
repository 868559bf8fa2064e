"""The facts that make a principal-day surprising: what was touched, and the sentence for it."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ctanalytics import untrusted
from ctanalytics.detectors.behaviour_features import (
    FEATURES,
    HISTORY_DAYS,
    Floats,
    Frame,
    Ints,
    api_families,
)
from ctanalytics.detectors.behaviour_words import PHRASES, clause, contrast
from ctanalytics.detectors.wording import short_principal
from ctanalytics.engines.duckdb import Engine

_TOLD: Final = 3
_LISTED: Final = 6
_LEAST_TOLD: Final = 1.5
"""-log10 p of a feature below which it is not worth a word."""
_MOST_VALUES: Final = 100
"""Names in one condition; a day that touched more is shown whole."""

_MOST_CHARACTERS: Final = 1_000
"""Of a name in a condition: a user agent may be megabytes."""

_DELETES: Final = (
    "Delete",
    "Terminate",
    "BatchDelete",
    "Purge",
    "ScheduleKeyDeletion",
)
_BY_FAMILY: Final = {
    "guard_calls": "guard",
    "secret_calls": "secret",
    "sharing_calls": "sharing",
}


@dataclass(frozen=True, slots=True)
class Api:
    """An API that the principal called on the day."""

    event_source: str
    event_name: str
    is_write: bool
    calls: int
    own_days: int


@dataclass(frozen=True, slots=True)
class Touched:
    """What the principal touched on the day; maps go to the days of its past with the same."""

    apis: list[Api]
    regions: dict[str, int]
    networks: dict[str, int]
    agents: dict[str, int]
    hours: dict[int, int]
    addresses: dict[str, list[str]]
    user_agents: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Fact:
    """One feature of a surprising day, as told and as kept in the evidence."""

    feature: str
    surprise: float
    value: int
    own_most: int
    own_median: int
    peers_most: int
    peers_median: int
    peers_alike: int
    names: list[str]
    condition: str | None
    """SQL over `events`; None: the whole day is behind it."""


def touched(
    engine: Engine, principal_key: str, history_key: str, start: dt.datetime, end: dt.datetime
) -> Touched:
    """Tell what a principal touched in a span, and what its past knows of it.

    It is among those of whom `behaviour_told.gather` has read.
    """
    found = engine.run(
        "features/principal_day_values",
        principal_key=principal_key,
        history_key=history_key,
        since=start - dt.timedelta(days=HISTORY_DAYS),
        start=start,
        until=end,
    ).to_pylist()
    maps: dict[str, dict[str, int]] = {kind: {} for kind in ("region", "network", "agent", "hour")}
    parts: dict[str, dict[str, list[str]]] = {"address": {}, "user_agent": {}}
    apis = []
    for one in found:
        kind, value = one["kind"], one["value"]
        if kind == "api":
            source = one["part_of"]
            name = value[len(source) + 1 :]
            apis.append(Api(source, name, bool(one["is_write"]), one["calls"], one["own_days"]))
        elif kind in parts:
            parts[kind].setdefault(one["part_of"] or "", []).append(value)
        else:
            maps[kind][value] = one["own_days"]
    return Touched(
        apis=apis,
        regions=maps["region"],
        networks=maps["network"],
        agents=maps["agent"],
        hours={int(hour): days for hour, days in maps["hour"].items()},
        addresses=parts["address"],
        user_agents=parts["user_agent"],
    )


def facts(frame: Frame, row: int, surprises: Floats, peers: Ints, seen: Touched) -> list[Fact]:
    """Return the most surprising features of a row, the most surprising first.

    Args:
        peers: rows of its peers in the days before.
    """
    order = np.argsort(-surprises, kind="stable")
    history = np.arange(frame.past[row], frame.today[row])
    key = frame.rows["principal_key"]
    told: dict[str, Fact] = {}
    for place in order:
        if len(told) == _LISTED or (told and surprises[place] < _LEAST_TOLD):
            break
        name = _told_as(frame, row, FEATURES[place].name)
        if name in told:
            continue
        column = frame.rows[PHRASES[name].raw].cast(int)
        value = int(column[row])
        own, theirs = column.gather(history), column.gather(peers)
        names, condition = _behind(name, seen)
        told[name] = Fact(
            feature=name,
            surprise=round(float(surprises[place]), 6),
            value=value,
            own_most=_most(own),
            own_median=_middle(own),
            peers_most=_most(theirs),
            peers_median=_middle(theirs),
            peers_alike=key.gather(peers).filter(theirs >= value).n_unique(),
            names=names,
            condition=condition,
        )
    return list(told.values())


def _told_as(frame: Frame, row: int, name: str) -> str:
    better = PHRASES[name].told_as
    return better if better and frame.rows[PHRASES[better].raw][row] else name


def _most(values: Any) -> int:
    return int(values.max()) if len(values) else 0


def _middle(values: Any) -> int:
    return int(np.floor(np.median(values.to_numpy()))) if len(values) else 0


def sentence(
    found: Sequence[Fact], who: str, place: str, days: int, peer_count: int, *, span_days: int = 1
) -> str:
    """Tell the facts that matter most in one sentence.

    Args:
        place: in how long and from where; may be empty.
        days: how far its past was looked at.
        span_days: days that the facts are counted over.
    """
    first, *others = _worth_telling(found)
    clauses = [clause(first.feature, first.value, first.names) + place]
    clauses += [clause(fact.feature, fact.value, fact.names) for fact in others]
    done = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    before = contrast(
        first.feature,
        days=days,
        own_most=first.own_most,
        peers=peer_count,
        peers_most=first.peers_most,
        peers_alike=first.peers_alike,
        span_days=span_days,
    )
    return f"{who} {done}; {before}." if before else f"{who} {done}."


def title(found: Sequence[Fact], who: str) -> str:
    """Name the principal and the fact that matters most."""
    first = lead(found)
    return f"{who} {clause(first.feature, first.value, [])}"


def lead(found: Sequence[Fact]) -> Fact:
    """Return the fact that is told first."""
    return _worth_telling(found)[0]


def _worth_telling(found: Sequence[Fact]) -> list[Fact]:
    """At most three facts, of different kinds, the gravest first; what is its habit comes last."""
    families = {feature.name: feature.family for feature in FEATURES}
    ordered = sorted(
        found,
        key=lambda fact: (
            fact.value <= fact.own_most,
            PHRASES[fact.feature].rank,
            -fact.surprise,
        ),
    )
    told: list[Fact] = []
    for fact in ordered:
        repeats = {families[other.feature] for other in told} - {"sensitive"}
        if families[fact.feature] not in repeats:
            told.append(fact)
    return told[:_TOLD]


def day_condition(found: Sequence[Fact]) -> str | None:
    """Return the SQL condition for the events behind a day's facts; None: all of the day."""
    sharp = [fact.condition for fact in found[:_TOLD] if fact.condition]
    # What else came from a strange network that day belongs to the story.
    sharp += [f.condition for f in found[_TOLD:] if f.feature == "new_networks" and f.condition]
    return " or ".join(f"({one})" for one in dict.fromkeys(sharp)) or None


def _behind(feature: str, seen: Touched) -> tuple[list[str], str | None]:
    """Names that make a feature understood, and the condition for its events."""
    if feature in ("new_networks", "networks", "network_rarity"):
        values = _rarest(seen.networks)
        addresses = [one for value in values for one in seen.addresses.get(value, [])]
        return values, one_of("source_ip_address", addresses)
    if feature in ("new_agents", "agents", "agent_rarity"):
        values = _rarest(seen.agents)
        programs = [one for value in values for one in seen.user_agents.get(value, [])]
        return values, one_of("user_agent", programs)
    if feature in ("new_regions", "regions"):
        values = _rarest(seen.regions)
        return values, one_of("aws_region", values)
    if feature == "hour_distance":
        hours = [str(hour) for hour, days in sorted(seen.hours.items()) if not days]
        return [], f"event_hour in ({', '.join(hours)})" if hours else None
    if feature in ("errors", "error_share", "error_codes", "denied_share"):
        return [], "is_error"
    apis = _apis(feature, seen.apis)
    return [api.event_name for api in apis], of_apis(apis)


def _rarest(values: dict[str, int]) -> list[str]:
    """Those that the past knows least, usually not at all."""
    least = min(values.values(), default=0)
    return [value for value, days in sorted(values.items()) if days == least]


def _apis(feature: str, apis: Sequence[Api]) -> list[Api]:
    """The APIs that a feature counts, the most called first; none: it is about all calls."""
    if feature in _BY_FAMILY:
        family = set(api_families()[_BY_FAMILY[feature]])
        chosen = [api for api in apis if f"{api.event_source}:{api.event_name}" in family]
    elif feature == "iam_write_calls":
        chosen = [api for api in apis if api.is_write and api.event_source == "iam.amazonaws.com"]
    elif feature == "delete_calls":
        chosen = [api for api in apis if api.is_write and api.event_name.startswith(_DELETES)]
    elif feature in ("new_apis", "new_services"):
        chosen = [api for api in apis if not api.own_days]
    elif feature in ("api_rarity_max", "api_rarity_mean"):
        least = min(api.own_days for api in apis)
        chosen = [api for api in apis if api.own_days == least]
    elif feature == "writes":
        chosen = [api for api in apis if api.is_write]
    elif feature in ("new_roles", "assume_role_calls"):
        chosen = [api for api in apis if api.event_name.startswith("AssumeRole")]
    elif feature in ("sign_ins", "sign_ins_without_mfa"):
        chosen = [api for api in apis if api.event_name == "ConsoleLogin"]
    else:
        chosen = []
    return sorted(chosen, key=lambda api: (-api.calls, api.event_source, api.event_name))


def of_apis(apis: Sequence[Api]) -> str | None:
    """Return SQL over `events` for calls of these APIs; None when there are none, or too many."""
    if not apis or len(apis) > _MOST_VALUES:
        return None
    sources: dict[str, list[str]] = {}
    for api in apis:
        sources.setdefault(api.event_source, []).append(api.event_name)
    source_is, name_is = "coalesce(event_source, '')", "coalesce(event_name, '')"
    return " or ".join(
        f"{_is_in(source_is, [source])} and {_is_in(name_is, names)}"
        for source, names in sorted(sources.items())
    )


def one_of(column: str, values: Iterable[str]) -> str | None:
    """Return SQL that is true for these values of a column; None for none, or too many."""
    chosen = sorted(set(values))
    if not chosen or len(chosen) > _MOST_VALUES:
        return None
    return _is_in(column, chosen)


def _is_in(column: str, values: Iterable[str]) -> str:
    """SQL that is true for these values; of long ones only the hash is kept."""
    told = {value: len(value) <= _MOST_CHARACTERS for value in sorted(values)}
    parts = []
    if short := [literal(value) for value, is_short in told.items() if is_short]:
        parts.append(f"{column} in ({', '.join(short)})")
    if long := [_md5(value) for value, is_short in told.items() if not is_short]:
        parts.append(f"md5({column}) in ({', '.join(long)})")
    return parts[0] if len(parts) == 1 else f"({' or '.join(parts)})"


def _md5(value: str) -> str:
    return untrusted.sql_text(hashlib.md5(value.encode(), usedforsecurity=False).hexdigest())


def literal(value: str) -> str:
    """Quote a text from a log for SQL; a NUL, which SQL text can't hold, becomes chr(0)."""
    parts = [untrusted.sql_text(part) for part in value.split("\x00")]
    return parts[0] if len(parts) == 1 else f"({' || chr(0) || '.join(parts)})"


def kept(found: Sequence[Fact], peer_count: int) -> list[dict[str, Any]]:
    """Return the facts as the evidence keeps them."""
    return [
        {
            "feature": fact.feature,
            "surprise": fact.surprise,
            "value": fact.value,
            "own_most": fact.own_most,
            "own_median": fact.own_median,
            "peers": peer_count,
            "peers_most": fact.peers_most,
            "peers_median": fact.peers_median,
            "names_in_all": len(fact.names),
            "names": [untrusted.one_line(name, limit=200) for name in fact.names[:10]],
        }
        for fact in found
    ]


def principal_name(principal_arn: str | None, principal_key: str) -> str:
    """Name a principal as a person would."""
    text = principal_arn or principal_key
    if text.endswith(":root"):
        return untrusted.one_line(f"root of account {text.split(':')[-2]}", limit=80)
    return short_principal(text)


def day_bounds(day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return when a UTC day begins and ends."""
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    return start, start + dt.timedelta(days=1)
