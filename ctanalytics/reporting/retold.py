"""Anomalies told in another language than the lake's, from what their rows and evidence hold.

Detectors store English sentences. Other languages get sentences of their own, built from the same
facts by data/stored.*.toml; where a row does not hold a fact, the English original beside has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.reporting.evidence import Evidence, Feature, evidence, insight
from ctanalytics.reporting.series import number
from ctanalytics.reporting.voice import Voice

_TOLD: Final = 3  # facts of a sentence
_NAMED: Final = 3  # names of a fact
_NO_CONTRAST: Final = frozenset(
    (
        "agent_rarity",
        "api_rarity_max",
        "api_rarity_mean",
        "burst_calls",
        "hour_distance",
        "network_rarity",
        "weekend",
    )
)
"""Features whose number says nothing to a person, or is none of a day."""


@dataclass(frozen=True, slots=True)
class Told:
    """An anomaly's texts."""

    title: str
    explanation: str
    original: str = ""
    """The detector's sentences, where `explanation` is not they."""


def told(voice: Voice, row: Mapping[str, Any]) -> Told:
    """Tell an anomaly.

    Args:
        row: of reporting/anomalies.
    """
    if voice.is_english:
        return Told(row["title"], row["explanation"])
    values = _values(voice, row, evidence(row["evidence"]))
    kind = row["kind"] if f"titles.{row['kind']}" in voice.stored else "other"
    if kind in ("first_seen", "behaviour") and not values["clauses"]:
        kind = "other"
    is_open = row["ended_at"] is None and f"sentences.{kind}_open" in voice.stored
    sentence = voice.retell(f"sentences.{kind}{'_open' if is_open else ''}", values)
    return Told(voice.retell(f"titles.{kind}", values), sentence, row["explanation"])


def principal(voice: Voice, arn: str | None) -> str:
    """Name a principal as a person would; what is no ARN of one stays as it is."""
    if not arn:
        return _say(voice, "names.somebody")
    if not arn.startswith("arn:"):
        return untrusted.one_line(arn, limit=80)
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind == "root":
        return _say(voice, "names.root", account=arn.split(":")[-2])
    word = {"assumed-role": "role", "federated-user": "federated"}.get(kind, kind)
    if not name or f"names.{word}" not in voice.stored:
        return untrusted.one_line(arn, limit=80)
    return _say(voice, f"names.{word}", name=untrusted.one_line(name.rpartition("/")[2], limit=80))


def _say(voice: Voice, key: str, **values: object) -> str:
    return voice.retell(key, values)


def _values(voice: Voice, row: Mapping[str, Any], behind: Evidence) -> dict[str, object]:
    """All that a sentence of any kind may name."""
    who = principal(voice, row["principal_arn"])
    start, end = row["started_at"], row["ended_at"] or row["detected_at"]
    usual = row["kind"] in ("stop", "drop")
    caller = f"sentences.{'usual_' if usual else ''}caller"
    code = untrusted.one_line(row["error_code"] or "", limit=80)
    return {
        "place": _place(voice, row),
        "api": untrusted.one_line(row["event_name"] or _say(voice, "names.api"), limit=80),
        "who": who,
        "error": code,
        "events": behind.events or 0,
        "since": f"{voice.clock(start)} ({voice.zone_name(start)})",
        "length": voice.length(start, end),
        "caller": _say(voice, caller, who=who) if row["principal_arn"] else "",
        "rate": _rate(voice, row, behind),
        "cause": _cause(voice, row, who),
        "failed": _say(voice, "sentences.failed", error=code) if code else "",
        # Its stored title is «RULE: WHO in ACCOUNT».
        "rule": row["title"].rpartition(": ")[0] or row["title"],
        **_facts(voice, row["kind"], behind),
    }


def _place(voice: Voice, row: Mapping[str, Any]) -> str:
    account, region = row["account_id"], row["aws_region"]
    place = _say(voice, "names.anywhere")
    if account:
        place = _say(voice, "names.place", account=untrusted.one_line(account, limit=40))
    if not region:
        return place
    return _say(voice, "names.region", place=place, region=untrusted.one_line(region, limit=40))


def _rate(voice: Voice, row: Mapping[str, Any], behind: Evidence) -> str:
    """How much it was, and how much was usual: as Insights counts, else as the detector drew it."""
    counted = insight(row["insight"])
    if counted and counted.insight_average is not None and counted.baseline_average is not None:
        return _say(
            voice,
            "sentences.insight",
            observed=number(counted.insight_average),
            baseline=number(counted.baseline_average),
        )
    points = [
        point for point in (behind.rate.points if behind.rate else ()) if point[2] is not None
    ]
    start, end = (
        f"{row['started_at']:%Y-%m-%dT%H:%M}",
        f"{row['ended_at'] or row['detected_at']:%Y-%m-%dT%H:%M}",
    )
    during = [point for point in points if start <= point[0] < end]
    if not during:
        return ""
    return _say(
        voice,
        "sentences.rate",
        observed=number(sum(point[1] for point in during) / len(during)),
        expected=number(sum(point[2] or 0 for point in during) / len(during)),
    )


def _cause(voice: Voice, row: Mapping[str, Any], who: str) -> str:
    if row["kind"] != "silence" or not row["event_name"]:
        return ""
    name = untrusted.one_line(row["event_name"], limit=80)
    return _say(voice, "sentences.cause", who=who, api=name)


def _facts(voice: Voice, kind: str, behind: Evidence) -> dict[str, object]:
    if kind == "behaviour":
        return _behaviour(voice, behind)
    if kind == "first_seen":
        return _firsts(voice, behind)
    return dict.fromkeys(("clause", "clauses", "names", "before", "peers"), "")


def _behaviour(voice: Voice, behind: Evidence) -> dict[str, object]:
    known = [one for one in behind.features if f"features.{one.feature}" in voice.stored]
    # What is its habit comes last.
    chosen = sorted(known, key=lambda one: one.value <= one.own_most)[:_TOLD]
    clauses = [_say(voice, f"features.{one.feature}", n=f"{one.value:,}") for one in chosen]
    return {
        "clause": clauses[0] if clauses else "",
        "clauses": voice.listed(clauses),
        "names": _named(voice, chosen[0]) if chosen and chosen[0].names else "",
        "before": _before(voice, chosen[0], behind.span_days) if chosen else "",
        "peers": "",
    }


def _before(voice: Voice, first: Feature, days: int) -> str:
    if first.feature in _NO_CONTRAST:
        return ""
    key = "before" + ("_days" if days > 1 else "") + ("" if first.peers else "_alone")
    return _say(
        voice,
        f"sentences.{key}",
        days=days,
        own_most=first.own_most,
        peers=first.peers,
        peers_most=first.peers_most,
    )


def _firsts(voice: Voice, behind: Evidence) -> dict[str, object]:
    kinds: dict[str, list[str]] = {}
    for one in behind.first_seen:
        if f"firsts.{one.kind}" in voice.stored:
            kinds.setdefault(one.kind, []).append(_first(voice, one.kind, one.value))
    clauses = [
        _say(voice, f"firsts.{kind}", names=_listed(voice, names, len(names)))
        for kind, names in list(kinds.items())[:_TOLD]
    ]
    peers = _say(voice, "sentences.peers", peers=behind.peers, alike=behind.peers_alike)
    return {
        "clause": clauses[0] if clauses else "",
        "clauses": voice.listed([clause.strip() for clause in clauses]),
        "names": "",
        "before": "",
        "peers": peers if behind.peers else "",
    }


def _first(voice: Voice, kind: str, value: str) -> str:
    if kind == "api":
        return untrusted.one_line(value.partition(":")[2] or value, limit=60)
    if kind in ("role", "person") and value.startswith("arn:"):
        return principal(voice, value) if kind == "person" else value.rpartition("/")[2]
    return untrusted.one_line(value, limit=60)


def _named(voice: Voice, first: Feature) -> str:
    shown = [untrusted.one_line(name, limit=60) for name in first.names]
    in_all = max(first.names_in_all, len(shown))
    return _say(voice, "sentences.names", names=_listed(voice, shown, in_all))


def _listed(voice: Voice, names: Sequence[str], in_all: int) -> str:
    shown = voice.listed(names[:_NAMED])
    rest = in_all - min(len(names), _NAMED)
    return voice.say("list.more", names=shown, n=rest) if rest else shown
