"""What an incident looks like in MITRE ATT&CK: from the tags of rules and the classes of calls."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

_TAG: Final = "attack."
_APIS: Final = 20  # of a lane
_TECHNIQUE: Final = re.compile(r"t\d{4}(\.\d{3})?")


@dataclass(frozen=True, slots=True)
class Sign:
    """One anomaly's word for a tactic."""

    tactic: str
    techniques: tuple[str, ...]
    said_by: str
    """rule or api"""
    apis: tuple[str, ...]
    """The calls that point there, event_source:event_name."""


class _Rule(msgspec.Struct, frozen=True):
    tags: list[str] = []
    next_steps: list[str] = []


class _Evidence(msgspec.Struct, frozen=True):
    rule: _Rule | None = None
    events: int | None = None


def evidence_of(anomaly: Mapping[str, Any]) -> _Evidence:
    """Read what a rule left in an anomaly's evidence; nothing where that can't be read."""
    try:
        return msgspec.json.decode(anomaly["evidence"], type=_Evidence)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _Evidence()


@cache
def _facts() -> dict[str, Any]:
    place = resources.files("ctanalytics.incidents").joinpath("data", "attack.toml")
    return tomllib.loads(place.read_text("utf-8"))


def order(tactics: Iterable[str]) -> list[str]:
    """Return tactics, each once, in the order of the matrix; unknown ones at the end."""
    known = {name: place for place, name in enumerate(_facts()["order"])}
    return sorted(set(tactics), key=lambda name: (known.get(name, len(known)), name))


def next_step(tactic: str) -> str | None:
    """Say what to look at next where a tactic shows."""
    found: str | None = _facts()["next"].get(tactic)
    return found


def signs(anomaly: Mapping[str, Any], traits: Sequence[Mapping[str, Any]]) -> list[Sign]:
    """Return what an anomaly points to.

    Args:
        traits: trait, value, calls, of_calls of this anomaly.
    """
    rule = evidence_of(anomaly).rule
    facts = _facts()
    apis = tuple(row["value"] for row in traits if row["trait"] == "api")
    found = list(_of_tags(rule.tags, apis)) if rule else []
    for row in traits:
        kind, _, api = row["value"].partition(" ")
        if row["trait"] == "sensitive" and kind in facts["sensitivity"]:
            found.append(_of_call(facts["sensitivity"][kind], api))
        # A rule says itself what the calls mean that it looks for.
        if row["trait"] == "api" and row["value"] in facts["calls"] and not rule:
            found.append(_of_call(facts["calls"][row["value"]], row["value"]))
    if any(row["trait"] == "denied" and 2 * row["calls"] > row["of_calls"] for row in traits):
        found.append(_of_call(facts["refused"], *apis))
    return found


def _of_call(meaning: Mapping[str, str], *apis: str) -> Sign:
    return Sign(meaning["tactic"], (meaning["technique"],), "api", apis)


def _of_tags(tags: Iterable[str], apis: tuple[str, ...]) -> Iterator[Sign]:
    names = [tag.removeprefix(_TAG) for tag in tags if tag.startswith(_TAG)]
    techniques = tuple(name.upper() for name in names if _TECHNIQUE.fullmatch(name))
    for name in names:
        if name in _facts()["order"]:
            yield Sign(name, techniques, "rule", apis)


def lanes(
    anomalies: Sequence[Mapping[str, Any]],
    traits: Mapping[str, Sequence[Mapping[str, Any]]],
    now: dt.datetime,
) -> list[dict[str, Any]]:
    """Return a lane for each tactic that anomalies point to, in the order of the matrix.

    Returns:
        JSON-able objects as `records.incidents.INCIDENTS` tells of `lanes`.
    """
    told: dict[str, list[tuple[Mapping[str, Any], Sign]]] = {}
    for anomaly in anomalies:
        for sign in signs(anomaly, traits.get(anomaly["anomaly_id"], ())):
            told.setdefault(sign.tactic, []).append((anomaly, sign))
    return [_lane(tactic, told[tactic], now) for tactic in order(told)]


def _lane(
    tactic: str,
    told: Sequence[tuple[Mapping[str, Any], Sign]],
    now: dt.datetime,
) -> dict[str, Any]:
    members = list({anomaly["anomaly_id"]: anomaly for anomaly, _ in told}.values())
    last = max(anomaly["ended_at"] or max(now, anomaly["started_at"]) for anomaly in members)
    return {
        "tactic": tactic,
        "techniques": sorted({name for _, sign in told for name in sign.techniques}),
        "from": sorted({sign.said_by for _, sign in told}, reverse=True),
        "apis": list(dict.fromkeys(api for _, sign in told for api in sign.apis))[:_APIS],
        "first_seen": _iso(min(anomaly["started_at"] for anomaly in members)),
        "last_seen": _iso(last),
        "anomaly_ids": [anomaly["anomaly_id"] for anomaly in members],
    }


def _iso(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
