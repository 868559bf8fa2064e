"""The shapes a report is made of: plain data, the same for HTML, Markdown and JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ctanalytics.reporting.voice import Voice

Cell = str | int | float | bool | dt.datetime | dt.date | tuple[int, ...] | None

Kind = Literal["text", "word", "code", "count", "bytes", "share", "rate", "time", "date", "trend"]
"""How a value is shown. text: prose, as it is stored; word: one of a vocabulary, in the report's
language; code: an identifier; count: an integer; share: 0-1 as per cent; rate: a decimal number;
trend: counts in equal steps, drawn as a small line."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: `name` in JSON, `label` for people."""

    name: str
    label: str
    kind: Kind
    bar: bool = False
    """Draw the value's share of the column's largest beside it."""


@dataclass(frozen=True, slots=True)
class Table:
    """The first rows of a ranking; `found` is how many rows there are in all."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Cell], ...]
    found: int

    @property
    def left_out(self) -> int:
        """How many rows are not shown."""
        return max(self.found - len(self.rows), 0)


@dataclass(frozen=True, slots=True)
class Figure:
    """What a chart shows, before anyone draws it.

    Points are (start of the step, first value, second value or null). Of a rate they are observed
    and expected; of activity all calls and the failed ones; of a heat map calls alone.
    """

    name: str
    kind: Literal["rate", "activity", "heat"]
    title: str
    description: str
    """In words, for those who don't see the chart."""
    unit: str
    step_seconds: int
    points: tuple[tuple[dt.datetime, float, float | None], ...]
    window: tuple[dt.datetime, dt.datetime] | None = None
    """The span of the anomaly, shaded."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of a list of figures."""

    name: str
    label: str
    value: Cell
    kind: Kind
    note: str = ""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who, with what, or with what outcome: averages per minute in the anomaly and before."""

    attribute: str
    value: str
    insight_average: float
    baseline_average: float | None


@dataclass(frozen=True, slots=True)
class Insight:
    """An anomaly in the terms of AWS's own CloudTrail Insights."""

    baseline_average: float | None
    insight_average: float | None
    baseline_minutes: int | None
    insight_minutes: int | None
    attributions: tuple[Attribution, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """What became of an anomaly at one target."""

    target: str
    outcome: str
    reason: str | None
    attempts: int
    handled_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One anomaly as the report tells it."""

    anomaly_id: str
    severity: str
    detector: str
    kind: str
    state: str
    revision: int
    title: str
    explanation: str
    original: str
    """The detector's own sentences in English, where `explanation` is told in another language."""
    score: float
    p_value: float | None
    started_at: dt.datetime
    ended_at: dt.datetime | None
    detected_at: dt.datetime
    account_id: str | None
    aws_region: str | None
    event_source: str | None
    event_name: str | None
    error_code: str | None
    principal_arn: str | None
    events: int | None
    """How many events make it up; null when the detector didn't say."""
    event_ids: tuple[str, ...]
    sql: str
    figure: Figure | None
    insight: Insight | None
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """An anomaly of an incident; `place` is that of its entry, null when it has none."""

    anomaly_id: str
    title: str
    detector: str
    severity: str
    started_at: dt.datetime
    place: int | None


@dataclass(frozen=True, slots=True)
class Incident:
    """Anomalies that belong together, told as one."""

    incident_id: str
    severity: str
    state: str
    closed_because: str | None
    revision: int
    title: str
    story: tuple[str, ...]
    original: tuple[str, ...]
    """The story as the lake holds it in English, where `story` is told in another language."""
    next_steps: tuple[str, ...]
    started_at: dt.datetime
    ended_at: dt.datetime | None
    accounts: tuple[str, ...]
    principals: tuple[str, ...]
    people: tuple[str, ...]
    """Who or what stands behind the principals, where logs tell."""
    tactics: tuple[str, ...]
    techniques: tuple[str, ...]
    events: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part: sentences first, then figures, charts and tables."""

    name: str
    title: str
    sentences: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class LakeFacts:
    """What only the lake itself can tell, not its tables."""

    location: str
    size_bytes: int | None = None
    files: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report of the span since <= t < until, UTC."""

    voice: Voice
    since: dt.datetime
    until: dt.datetime
    generated_at: dt.datetime
    version: str
    events: int
    headline: str
    facts: tuple[Fact, ...]
    severities: Mapping[str, int]
    """Anomalies by severity, the gravest first; all severities are there."""
    incidents: tuple[Incident, ...]
    further_incidents: int
    """Incidents that are not told, because there are too many."""
    entries: tuple[Entry, ...]
    further: Table | None
    """The anomalies that have no entry, because there are too many."""
    withdrawn: int
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = field(default=())
    """What this report can't show, and why."""
