"""What a detector takes and returns. A higher score is always more abnormal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.executor import Executor
from ctanalytics.lake.derived import Derived
from ctanalytics.settings import Detect, Geoip, Rules


@dataclass(frozen=True, slots=True)
class Window:
    """The span to decide about, UTC and half-open: since <= t < until. History lies before it."""

    since: dt.datetime
    until: dt.datetime


@dataclass(slots=True)
class Replay:
    """A past that is made anew, day by day."""

    anomalies: pa.Table
    """`findings.ANOMALIES`, the newest revision of each."""
    budget: list[dict[str, Any]] = field(default_factory=list)
    """Rows of series_budget."""
    expected: list[dict[str, Any]] = field(default_factory=list)
    """By day and part of the budget: detector, part, day, theta, and how many false alarms the
    calibration promises there (nominal)."""
    tails: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By kind of series and stratum: looks (days times windows), and how many had p < 0.01."""


class Statements(Protocol):
    """Runs shipped statements: an engine, or what spreads them over workers."""

    def run(self, name: str, **values: Any) -> pa.Table:
        """Run a statement; see `Engine.run`."""
        ...

    def keep(self, table: str, name: str, **values: Any) -> None:
        """Run a statement into a temporary table; see `Engine.keep`."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a detector may use. Time and randomness come from here alone."""

    engine: Engine
    """The lake: views and `lake.*` tables."""
    executor: Executor
    settings: Detect
    now: dt.datetime
    rules: Rules = field(default_factory=Rules)
    geoip: Geoip = field(default_factory=Geoip)
    derived: Derived = field(default_factory=Derived)
    """State that follows from the lake's events; by default it lasts for this context alone."""
    replay: Replay | None = None
    """What a backtest has found so far; it stands in place of what the lake has published."""
    part_bytes: int = 1 << 26
    """Compressed event files that one part of the executor reads."""


@dataclass(frozen=True, slots=True)
class DetectorResult:
    """What a detector found in a window.

    `anomalies` has the columns of `findings.ANOMALIES`. A detector fills in `state`, `detector`,
    `kind`, `series_key`, spans, scores and texts; `revision` is 1, `superseded_by` null and
    `anomaly_id` that of `findings.anomaly_id`: whoever stores them matches them with what was
    published before.
    """

    anomalies: pa.Table
    state: list[dict[str, Any]] = field(default_factory=list)
    """What a detector remembers; the app commits it. Manifests of files that `Context.derived` wrote,
    {"table": name, "rows": [...]} of tables that are appended to, and {"file": path, "content": bytes}
    of files of the lake."""
    notes: list[str] = field(default_factory=list)
    """What a person should know: too little history for account X until date Y, and the like."""


Detector = Callable[[Context, Window], DetectorResult]
