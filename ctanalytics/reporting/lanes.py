"""ATT&CK tactics as lanes over time, drawn as static SVG of numbers and fixed words alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from ctanalytics.reporting.document import Cell

TACTICS: Final = {
    "initial-access": "Initial access",
    "execution": "Execution",
    "persistence": "Persistence",
    "privilege-escalation": "Privilege escalation",
    "defense-evasion": "Defense evasion",
    "credential-access": "Credential access",
    "discovery": "Discovery",
    "lateral-movement": "Lateral movement",
    "collection": "Collection",
    "exfiltration": "Exfiltration",
    "impact": "Impact",
}
"""MITRE ATT&CK's tactics for the cloud, in its order."""

_WIDTH: Final = 900
_LABEL: Final = 150
_HEIGHT: Final = 26


@dataclass(frozen=True, slots=True)
class Mark:
    """Calls of one kind in a lane."""

    first_seen: dt.datetime
    last_seen: dt.datetime
    tone: str
    """A severity, or quiet."""
    row: Mapping[str, Cell]
    """What it is, as the table and JSON have it."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One tactic."""

    tactic: str
    marks: tuple[Mark, ...]


def drawn(lanes: tuple[Lane, ...], since: dt.datetime, until: dt.datetime) -> Markup:
    """Draw one line for each lane, with a bar from the first to the last call of each mark."""
    if not lanes:
        return Markup("")
    first = min(mark.first_seen for lane in lanes for mark in lane.marks)
    last = max(mark.last_seen for lane in lanes for mark in lane.marks)
    # The marks fill the width, with a margin; never wider than the span.
    margin = max((last - first) * 0.04, dt.timedelta(minutes=5))
    begin, end = max(first - margin, since), min(last + margin, until)
    height = _HEIGHT * len(lanes) + 22
    inner = "".join(_lane(lane, place, begin, end) for place, lane in enumerate(lanes))
    label = ", ".join(
        f"{TACTICS.get(lane.tactic, lane.tactic)}: {len(lane.marks)}" for lane in lanes
    )
    axis = "".join(
        f'<text x="{x:g}" y="{height - 6}" text-anchor="{anchor}">{_clock(moment)}</text>'
        for x, anchor, moment in ((_LABEL, "start", begin), (_WIDTH, "end", end))
    )
    return Markup(  # noqa: S704 - numbers, times and the tactics' names alone
        f'<svg class="lanes" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Tactics over time. {label}">{inner}{axis}</svg>'
    )


def _lane(lane: Lane, place: int, begin: dt.datetime, end: dt.datetime) -> str:
    top = place * _HEIGHT
    name = TACTICS.get(lane.tactic, "Other")
    # Short ones lie upon long ones.
    marks = sorted(lane.marks, key=lambda mark: mark.first_seen - mark.last_seen)
    bars = "".join(_bar(mark, top, begin, end) for mark in marks)
    return (
        f'<text x="0" y="{top + 17}">{name}</text>'
        f'<line x1="{_LABEL}" x2="{_WIDTH}" y1="{top + 13}" y2="{top + 13}"/>{bars}'
    )


def _bar(mark: Mark, top: int, begin: dt.datetime, end: dt.datetime) -> str:
    scale = (_WIDTH - _LABEL) / max((end - begin).total_seconds(), 1)
    left = _LABEL + max((mark.first_seen - begin).total_seconds(), 0) * scale
    width = max((mark.last_seen - mark.first_seen).total_seconds() * scale, 5)
    left = min(left, _WIDTH - 5)
    width = min(width, _WIDTH - left)
    tone = mark.tone if mark.tone in ("critical", "high", "medium", "low", "info") else "quiet"
    return f'<rect class="{tone}" x="{left:.1f}" y="{top + 6}" width="{width:.1f}" height="14" rx="3"/>'


def _clock(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M")
