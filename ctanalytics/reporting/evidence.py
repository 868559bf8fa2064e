"""What the JSON columns of anomalies hold, read leniently: what can't be read is as if not there."""

from __future__ import annotations

import msgspec

from ctanalytics.reporting.document import Attribution, Insight


class _Loose(msgspec.Struct, frozen=True, rename="camel"):
    """Base of what is read from JSON: unknown members are ignored."""


class Rate(msgspec.Struct, frozen=True):
    """Observed and expected values around an anomaly."""

    points: list[tuple[str, float, float | None]]
    unit: str = "calls per minute"
    minutes: float = 1.0


class Feature(msgspec.Struct, frozen=True):
    """One fact of a day that behaviour found surprising."""

    feature: str
    value: int
    own_most: int = 0
    peers: int = 0
    peers_most: int = 0
    names: list[str] = []
    names_in_all: int = 0


class First(msgspec.Struct, frozen=True):
    """Something that a principal did for the first time."""

    kind: str
    value: str


class Evidence(msgspec.Struct, frozen=True):
    """What stands behind an anomaly."""

    event_ids: list[str] = []
    events: int | None = None
    sql: str = ""
    rate: Rate | None = None
    features: list[Feature] = []
    span_days: int = 1
    first_seen: list[First] = []
    peers: int = 0
    peers_alike: int = 0


class _Value(_Loose, frozen=True):
    value: str
    average: float


class _Attribution(_Loose, frozen=True):
    attribute: str
    insight: list[_Value] = []
    baseline: list[_Value] = []


class _Average(_Loose, frozen=True):
    average: float | None = None


class _Statistics(_Loose, frozen=True):
    baseline: _Average = _Average()
    insight: _Average = _Average()
    insight_duration: int | None = None
    baseline_duration: int | None = None


class _Context(_Loose, frozen=True):
    statistics: _Statistics = _Statistics()
    attributions: list[_Attribution] = []


class _Details(_Loose, frozen=True):
    insight_context: _Context = _Context()


class _Record(_Loose, frozen=True):
    insight_details: _Details = _Details()


class _Pair(_Loose, frozen=True):
    start: _Record | None = None
    end: _Record | None = None


def evidence(text: str) -> Evidence:
    """Read the column `evidence`."""
    try:
        return msgspec.json.decode(text, type=Evidence)
    except (msgspec.DecodeError, UnicodeEncodeError):
        # A detector's own SQL or ids are lost to the page, never the anomaly itself.
        return Evidence()


def insight(text: str | None) -> Insight | None:
    """Read the column `insight`: what the anomaly came to, or how it began while it goes on."""
    if not text:
        return None
    try:
        pair = msgspec.json.decode(text, type=_Pair)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    record = pair.end or pair.start
    if record is None:
        return None
    context = record.insight_details.insight_context
    numbers = context.statistics
    return Insight(
        baseline_average=numbers.baseline.average,
        insight_average=numbers.insight.average,
        baseline_minutes=numbers.baseline_duration,
        insight_minutes=numbers.insight_duration,
        attributions=tuple(
            Attribution(
                attribute=attribution.attribute,
                value=value.value,
                insight_average=value.average,
                baseline_average=next(
                    (past.average for past in attribution.baseline if past.value == value.value),
                    None,
                ),
            )
            for attribution in context.attributions
            for value in attribution.insight[:5]
        ),
    )
