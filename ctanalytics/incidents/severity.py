"""How grave an incident is, and how unusual: what its anomalies say together.

Detectors speak in families: rates (call_rate, error_rate), behaviour, novelty, silence, rules.

| what the incident holds | severity |
|---|---|
| nothing but reads and refused calls | that of its gravest anomaly |
| one family that speaks at medium or above | that of its gravest anomaly |
| two families at medium or above, one of them no rule, and a write or sensitive call went through | high |
| the same, with a rule at high, and three or more ATT&CK tactics | critical |
| a rule at critical | critical |

"critical" never comes of statistics alone: without a rule at high or above it is not reached.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ctanalytics.findings import severity_rank

FAMILIES: Final = {
    "call_rate": "rates",
    "error_rate": "rates",
    "isolation_forest": "behaviour",
    "sigma": "rules",
}
"""Families of detectors; one that is not here is a family of its own."""

_RULES: Final = "rules"
_HIGHEST_SCORE: Final = 300.0
_TACTICS: Final = 3


def family(detector: str) -> str:
    """Return the family of a detector."""
    return FAMILIES.get(detector, detector)


@dataclass(frozen=True, slots=True)
class Voice:
    """One anomaly, as far as severity goes."""

    detector: str
    severity: str
    acted: bool
    """A write or a sensitive call among its events went through."""


def severity(voices: Sequence[Voice], tactics: int) -> str:
    """Return the severity of an incident.

    Args:
        voices: its anomalies, at least one.
        tactics: how many of ATT&CK's tactics it touches.
    """
    gravest = max((voice.severity for voice in voices), key=severity_rank)
    loud = {
        family(voice.detector)
        for voice in voices
        if severity_rank(voice.severity) >= severity_rank("medium")
    }
    agree = len(loud) >= 2 and bool(loud - {_RULES}) and any(voice.acted for voice in voices)
    if not agree:
        return gravest
    rule = max(
        (severity_rank(voice.severity) for voice in voices if family(voice.detector) == _RULES),
        default=0,
    )
    if rule >= severity_rank("high") and tactics >= _TACTICS:
        return "critical"
    return max(gravest, "high", key=severity_rank)


def combined_score(scores: Iterable[float]) -> float | None:
    """Combine scores (-log10 p) by the Cauchy combination; None when there is none.

    It holds under dependence, as of anomalies that one burst of calls raised. Source: Liu and Xie,
    "Cauchy combination test", JASA 115 (2020).
    """
    ps = [10.0 ** -min(max(score, 0.0), _HIGHEST_SCORE) for score in scores]
    if not ps:
        return None
    # tan(pi (1/2 - p)) is 1 / tan(pi p), which a small p does not round away.
    statistic = math.fsum(sorted(1 / math.tan(math.pi * min(p, 1 - 1e-12)) for p in ps)) / len(ps)
    return round(-math.log10(math.atan2(1.0, statistic) / math.pi), 6)
