"""One incident as a row: what its anomalies and their traits come to."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.findings import severity_rank
from ctanalytics.incidents import attack, story
from ctanalytics.incidents.severity import Voice, combined_score, severity
from ctanalytics.incidents.traits import event_ids

Row = dict[str, Any]

BENIGN: Final = frozenset(("benign", "allowed"))
"""Marks of anomalies that are no reason to worry."""

BEFORE: Final = dt.timedelta(days=30)
"""With what lies so far back an incident is compared."""

_EVENT_IDS: Final = 100
_VALUES: Final = 100  # of principals, keys, networks, APIs; accounts are listed all


@dataclass(frozen=True, slots=True)
class Known:
    """What stands around an incident's anomalies."""

    traits: Mapping[str, Sequence[Mapping[str, Any]]]
    """Rows with trait, value, calls, of_calls, by anomaly id."""
    people: Mapping[str, str]
    """Names of Identity Center's users, by user id."""
    now: dt.datetime
    closes_after: dt.timedelta
    as_grave: Callable[[str, dt.datetime], int]
    """How many incidents of the BEFORE days before a time were of this severity or graver."""


def described(anomalies: Sequence[Row], linked_by: Sequence[str], known: Known) -> Row:
    """Return an incident of anomalies that stand, without id, revision and times of publication.

    Args:
        anomalies: rows of `incidents/members`, in the order of their starts; at least one.
    """
    telling = [row for row in anomalies if row["verdict"] not in BENIGN] or list(anomalies)
    lanes = attack.lanes(telling, known.traits, known.now)
    tactics = [lane["tactic"] for lane in lanes]
    scene = _scene(telling, anomalies, linked_by, tactics, known)
    voices = [
        Voice(row["detector"], row["severity"], _acted(known.traits.get(row["anomaly_id"], ())))
        for row in telling
    ]
    score = combined_score(row["score"] for row in telling if row["p_value"] is not None)
    state, because = _state(anomalies, scene, known)
    grave = severity(voices, len(tactics))
    others = known.as_grave(grave, scene.started_at)
    return {
        "state": state,
        "closed_because": because,
        "severity": grave,
        "score": max(row["score"] for row in telling) if score is None else score,
        "p_value": None if score is None else float(f"{10.0**-score:.6g}"),
        "started_at": scene.started_at,
        "ended_at": scene.ended_at,
        "title": story.title(scene),
        "story": story.story(scene, as_grave=others, days=BEFORE.days),
        "next_steps": story.next_steps(scene),
        "anomaly_ids": [row["anomaly_id"] for row in anomalies],
        "detectors": _each(row["detector"] for row in anomalies),
        "kinds": _each(row["kind"] for row in anomalies),
        "linked_by": list(linked_by),
        "account_ids": list(scene.account_ids),
        "account_names": list(scene.account_names),
        "aws_regions": list(scene.aws_regions),
        "principal_arns": list(scene.principal_arns),
        "people": list(scene.people),
        "access_key_ids": list(scene.access_key_ids),
        "networks": list(scene.networks),
        "apis": _values(telling, known, "api"),
        "tactics": tactics,
        "techniques": sorted({name for lane in lanes for name in lane["techniques"]}),
        "lanes": json.dumps(lanes),
        "event_ids": list(scene.event_ids),
        "events": sum(attack.evidence_of(row).events or 0 for row in anomalies),
    }


def _scene(
    telling: Sequence[Row],
    anomalies: Sequence[Row],
    linked_by: Sequence[str],
    tactics: Sequence[str],
    known: Known,
) -> story.Scene:
    accounts = _each(row["account_id"] for row in telling)
    names = {row["account_id"]: row["account_name"] for row in telling}
    people = [known.people.get(name, name) for name in _values(telling, known, "person")]
    networks = _values(telling, known, "network", "common_network")
    going_on = any(row["state"] == "open" or row["ended_at"] is None for row in anomalies)
    return story.Scene(
        anomalies=telling,
        tactics=tactics,
        account_ids=accounts,
        account_names=[names[account] or account for account in accounts],
        aws_regions=_each(row["aws_region"] for row in telling),
        principal_arns=_principals(telling, known),
        people=_each(people),
        access_key_ids=_values(telling, known, "access_key"),
        networks=networks,
        invoked_by=_values(telling, known, "invoked_by"),
        linked_by=linked_by,
        event_ids=_round_robin([event_ids(row["evidence"]) for row in _gravest_first(telling)]),
        started_at=min(row["started_at"] for row in anomalies),
        ended_at=None if going_on else max(row["ended_at"] for row in anomalies),
    )


def _state(anomalies: Sequence[Row], scene: story.Scene, known: Known) -> tuple[str, str | None]:
    if all(row["verdict"] in BENIGN for row in anomalies):
        return "closed", "marked"
    if scene.ended_at is not None and known.now - scene.ended_at > known.closes_after:
        return "closed", "ended"
    return "open", None


def _acted(traits: Iterable[Mapping[str, Any]]) -> bool:
    return any(row["trait"] in ("write", "sensitive") for row in traits)


def _principals(anomalies: Sequence[Row], known: Known) -> list[str]:
    """Who acted; where no event tells, whom the detector names."""
    found = []
    for row in anomalies:
        own = [
            trait["value"]
            for trait in known.traits.get(row["anomaly_id"], ())
            if trait["trait"] == "principal"
        ]
        found += own or [row["principal_arn"]]
    return _each(found)[:_VALUES]


def _values(anomalies: Sequence[Row], known: Known, *names: str) -> list[str]:
    return _each(
        trait["value"]
        for row in anomalies
        for trait in known.traits.get(row["anomaly_id"], ())
        if trait["trait"] in names
    )[:_VALUES]


def _each(values: Iterable[str | None]) -> list[str]:
    """Values that are there, each once, in the order of their first."""
    return list(dict.fromkeys(value for value in values if value))


def _gravest_first(anomalies: Sequence[Row]) -> list[Row]:
    return sorted(
        anomalies,
        key=lambda row: (-severity_rank(row["severity"]), row["started_at"], row["anomaly_id"]),
    )


def _round_robin(lists: Sequence[Sequence[str]]) -> list[str]:
    """The first of each list, then the second of each, and so on; no value twice."""
    found: dict[str, None] = {}
    for place in range(max(map(len, lists), default=0)):
        for values in lists:
            if place < len(values):
                found[values[place]] = None
        if len(found) >= _EVENT_IDS:
            break
    return list(found)[:_EVENT_IDS]
