"""What a detector takes and returns. A higher score is always more abnormal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.executor import Executor
from ctanalytics.settings import Detect, Geoip, Rules


@dataclass(frozen=True, slots=True)
class Window:
    """The span to decide about, UTC and half-open: since <= t < until. History lies before it."""

    since: dt.datetime
    until: dt.datetime


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
    """Manifests of state files that a detector wrote; the app commits them."""
    notes: list[str] = field(default_factory=list)
    """What a person should know: too little history for account X until date Y, and the like."""


Detector = Callable[[Context, Window], DetectorResult]
