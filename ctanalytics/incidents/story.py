"""An incident in words: what, who, where, since when, how unusual, what to look at next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics import untrusted
from ctanalytics.findings import severity_rank
from ctanalytics.incidents import attack
from ctanalytics.incidents.severity import family

_TOLD: Final = 4  # anomalies whose own explanation is part of the story
_NAMED: Final = 5  # names in a list of names
_STEPS: Final = 8

LINKS: Final = {
    "access_key": "an access key",
    "api": "an API",
    "api_in_accounts": "an API over many accounts",
    "error": "an error",
    "group": "a burst of calls",
    "invoked_by": "a calling service",
    "network": "a network",
    "person": "a person",
    "principal": "a principal",
    "role_name": "a role's name",
}
"""What anomalies of an incident share, in words."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What an incident's story is told from."""

    anomalies: Sequence[Mapping[str, Any]]
    """In the order of their starts."""
    tactics: Sequence[str]
    account_ids: Sequence[str]
    account_names: Sequence[str]
    aws_regions: Sequence[str]
    principal_arns: Sequence[str]
    people: Sequence[str]
    access_key_ids: Sequence[str]
    networks: Sequence[str]
    invoked_by: Sequence[str]
    linked_by: Sequence[str]
    event_ids: Sequence[str]
    started_at: dt.datetime
    ended_at: dt.datetime | None


def lead(anomalies: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the anomaly that an incident is named after: the gravest, of these the most abnormal."""
    return min(anomalies, key=_order)


def _order(anomaly: Mapping[str, Any]) -> tuple[int, int, float, dt.datetime, str]:
    has_p = anomaly["p_value"] is not None
    return (
        -severity_rank(anomaly["severity"]),
        0 if has_p else 1,
        -anomaly["score"],
        anomaly["started_at"],
        anomaly["anomaly_id"],
    )


def title(scene: Scene) -> str:
    """Say in a line what an incident is."""
    first = lead(scene.anomalies)
    rest = len(scene.anomalies) - 1
    if not rest:
        return untrusted.one_line(first["title"])
    accounts = f" in {len(scene.account_ids)} accounts" if len(scene.account_ids) > 1 else ""
    more = f"{rest} more anomal{'y' if rest == 1 else 'ies'}{accounts}"
    return untrusted.one_line(f"{untrusted.one_line(first['title'], limit=160)}, and {more}")


def story(scene: Scene, *, as_grave: int, days: int) -> str:
    """Tell an incident in sentences, one a line.

    Args:
        as_grave: incidents of the days before that were as grave or graver.
    """
    told = _chosen(scene.anomalies)
    lines = [_sentence(untrusted.one_line(one["explanation"], limit=600)) for one in told]
    left_out = len(scene.anomalies) - len(told)
    if left_out:
        lines.append(f"{left_out} more anomal{'y' if left_out == 1 else 'ies'} belong to it.")
    lines += [_who(scene), _where(scene), _when(scene), _together(scene)]
    lines.append(_how_unusual(as_grave, days))
    return "\n".join(line for line in lines if line)


def next_steps(scene: Scene) -> list[str]:
    """Say what to look at next: the rules' own advice, then that of the tactics, then commands."""
    ranked = sorted(scene.anomalies, key=_order)
    steps = [
        step
        for anomaly in ranked
        if (rule := attack.evidence_of(anomaly).rule)
        for step in rule.next_steps
    ]
    steps += [step for tactic in scene.tactics if (step := attack.next_step(tactic))]
    steps = [untrusted.one_line(step, limit=300) for step in dict.fromkeys(steps)][: _STEPS - 2]
    # An ARN is written by whoever made the role: all is quoted for the shell that gets it.
    if len(scene.access_key_ids) == 1:
        steps.append(
            f"ctanalytics investigate --key {untrusted.shell_word(scene.access_key_ids[0])}"
        )
    elif scene.principal_arns:
        arn = untrusted.shell_word(scene.principal_arns[0])
        steps.append(f"ctanalytics investigate --principal {arn}")
    if scene.event_ids:
        steps.append(f"ctanalytics show {untrusted.shell_word(scene.event_ids[0])}")
    return steps


def _sentence(text: str) -> str:
    """Begin with a capital letter, unless a name is what the text begins with."""
    return text[:1].upper() + text[1:] if text.startswith(("role ", "user ", "the ")) else text


def _chosen(anomalies: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The anomalies to tell: one of each family and kind first, then the gravest."""
    ranked = sorted(anomalies, key=_order)
    first_of: dict[tuple[str, str], Mapping[str, Any]] = {}
    for anomaly in ranked:
        first_of.setdefault((family(anomaly["detector"]), anomaly["kind"]), anomaly)
    chosen = list(first_of.values())[:_TOLD]
    chosen += [one for one in ranked if one not in chosen][: _TOLD - len(chosen)]
    return chosen


def _who(scene: Scene) -> str:
    who = _names([short_principal(arn) for arn in scene.principal_arns])
    people = [_person(name) for name in scene.people if name not in scene.principal_arns]
    parts = [f"Who: {who}" if who else "Who: nobody in particular"]
    if people:
        parts.append(f"with {_names(people)} behind it")
    if scene.access_key_ids:
        parts.append(f"by access key {_names(scene.access_key_ids)}")
    if scene.networks:
        parts.append(f"from {_names(scene.networks)}")
    if scene.invoked_by:
        parts.append(f"through {_names(scene.invoked_by)}")
    return ", ".join(parts) + "."


def _where(scene: Scene) -> str:
    places = [
        account if account == name else f"{name} ({account})"
        for account, name in zip(scene.account_ids, scene.account_names, strict=True)
    ]
    if not places:
        return ""
    regions = f", {_names(scene.aws_regions)}" if scene.aws_regions else ""
    return f"Where: {_names(places)}{regions}."


def _when(scene: Scene) -> str:
    start = f"{scene.started_at:%Y-%m-%d %H:%M} UTC"
    if scene.ended_at is None:
        return f"When: since {start}, and it goes on."
    minutes = max(round((scene.ended_at - scene.started_at) / dt.timedelta(minutes=1)), 1)
    return f"When: from {start} on, for {_length(minutes)}."


def _together(scene: Scene) -> str:
    if len(scene.anomalies) == 1:
        return ""
    families = dict.fromkeys(family(one["detector"]) for one in scene.anomalies)
    told_by = _names(families)
    shared = _names([LINKS.get(link, link) for link in scene.linked_by])
    share = f"; they share {shared}" if shared else ""
    return f"Why together: {len(scene.anomalies)} anomalies, told by {told_by}{share}."


def _how_unusual(as_grave: int, days: int) -> str:
    if not as_grave:
        return f"How unusual: no incident of the {days} days before was as grave."
    plural = "s" if as_grave > 1 else ""
    verb = "were" if as_grave > 1 else "was"
    return f"How unusual: {as_grave:,} incident{plural} of the {days} days before {verb} as grave."


def short_principal(arn: str) -> str:
    """Name a principal as a person would: `role deploy`, `user dora`, or the text itself."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if not arn.startswith("arn:") or not name:
        return "the root user" if arn.endswith(":root") else untrusted.one_line(arn, limit=80)
    word = {"assumed-role": "role", "federated-user": "federated user"}.get(kind, kind)
    return untrusted.one_line(f"{word} {name.rpartition('/')[2]}", limit=80)


def _person(name: str) -> str:
    return short_principal(name) if name.startswith("arn:") else untrusted.one_line(name, limit=80)


def _names(values: Iterable[str]) -> str:
    shown = [untrusted.one_line(value, limit=120) for value in values]
    rest = len(shown) - _NAMED
    if rest > 0:
        return f"{', '.join(shown[:_NAMED])} and {rest} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def _length(minutes: int) -> str:
    if minutes < 120:
        return f"{minutes} minute{'s' if minutes != 1 else ''}"
    hours = minutes / 60
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
