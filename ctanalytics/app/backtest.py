"""Backtest: live through a past day by day, as detect would have, and count what it would have told."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ctanalytics.app import backtest_labels
from ctanalytics.app.backtest_insights import agreement
from ctanalytics.app.detect import found_by, newest_event
from ctanalytics.detectors import detector
from ctanalytics.detectors.base import Context, Detector, Replay, Window
from ctanalytics.detectors.revisions import Published, Run, revise
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.executor import LOCAL, Executor, chosen
from ctanalytics.errors import UsageError
from ctanalytics.findings import ANOMALIES
from ctanalytics.lake.derived import Derived
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

DETECTORS: Final = ("call_rate", "error_rate")
DAYS: Final = 30
TAIL: Final = (0.003, 0.03)
"""Of normal looks one in a hundred has p < 0.01; outside of this, the calibration is off."""

_DAY: Final = dt.timedelta(days=1)
_MINUTE: Final = dt.timedelta(minutes=1)
_LEAST_TAIL: Final = 1_000
_HISTORY: Final = pa.schema(
    [
        ANOMALIES.field("anomaly_id"),
        ANOMALIES.field("detector"),
        pa.field("published_at", ANOMALIES.field("detected_at").type),
        pa.field("revised_at", ANOMALIES.field("detected_at").type),
    ]
)


@dataclass(frozen=True)
class BacktestResult:
    """What would have been told, had detect run after each day of a span."""

    since: dt.datetime
    until: dt.datetime
    budget: float
    """False pages a week that the whole lake may cause."""
    alarms: list[dict[str, Any]]
    """`findings.ANOMALIES` without evidence and insight, with `day` (of the run that first told it),
    `fired_at`, and `is_false` (null without labels); in the order in which they were told."""
    days: list[dict[str, Any]]
    """A row for each day: alarms, withdrawn, and by detector how far its threshold was raised."""
    kinds: list[dict[str, Any]]
    accounts: list[dict[str, Any]]
    """Alarms of each account, in all and a week."""
    nominal: list[dict[str, Any]]
    """By part of the budget: false alarms that the thresholds promise, and those there were. Without
    labels every alarm counts, so that the second is an upper bound."""
    calibration: list[dict[str, Any]]
    """By kind of series and stratum: the share of looks (days times windows) with p < 0.01."""
    labels: dict[str, Any] | None
    """Incidents, how many were found, and how soon; None without labels."""
    insights: dict[str, Any] | None
    """Agreement with AWS's own Insights records; None when the lake has none of the span."""
    billed: list[dict[str, Any]]
    """What CloudTrail Insights would have analysed and charged."""
    notes: list[str]
    seconds: float


def backtest(
    lake: str | Path | Lake,
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    labels: str | Path | None = None,
    detectors: Sequence[str] = (),
    executor: Executor | None = None,
) -> BacktestResult:
    """Replay a span day by day: each day is judged by itself and what came before it. Nothing stays
    in the lake; of an executor other than the local one what workers make lies there until the end.

    Args:
        since: start of the span, else DAYS before its end; the day that holds it is the first.
        until: its end; else where the logs end.
        labels: a JSON Lines file of what really happened, as `ctanalytics simulate` writes it.
        detectors: names; else DETECTORS.
        executor: runs the heavy parts of detectors; else the one that the settings name.

    Raises:
        UsageError: a detector or the labels are unusable, or the span is empty.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    wanted = {name: detector(name) for name in detectors or DETECTORS}
    truth = None if labels is None else backtest_labels.read(Path(labels))
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    started = time.monotonic()
    # What a cluster's workers make they can put nowhere but into the lake, until the end.
    may_write = executor is not None or settings.execution.executor != LOCAL
    with ExitStack() as stack:
        engine = stack.enter_context(here.engine())
        derived = Derived.open(here, is_read_only=True, may_write=may_write)
        stack.enter_context(closing(derived))
        used = executor or stack.enter_context(chosen(settings.execution))
        span = _span(engine, since, until)
        past = _Past(engine, used, settings, wanted, derived)
        for window in _days(span):
            past.live(window)
        return past.result(span, truth, started)


def _span(engine: Engine, since: dt.datetime | None, until: dt.datetime | None) -> Window:
    newest = newest_event(engine, dt.datetime.now(dt.UTC))
    if newest is None:
        raise UsageError(
            "the lake has no events with a believable time",
            where="--lake",
            mend="ingest logs first: `ctanalytics ingest SOURCE --lake LAKE`",
        )
    end = newest.replace(second=0, microsecond=0) + _MINUTE
    end = min(_utc(until), end) if until else end
    start = _utc(since) if since else end - dt.timedelta(days=DAYS)
    start = start.replace(hour=0, minute=0, second=0, microsecond=0)
    if start >= end:
        raise UsageError(
            f"the span from {start:%Y-%m-%d} to {end:%Y-%m-%d %H:%M} UTC is empty",
            where="--since, --until",
            mend="give a start that lies before the end and before the newest event",
        )
    return Window(start, end.replace(second=0, microsecond=0))


def _days(span: Window) -> Iterator[Window]:
    day = span.since
    while day < span.until:
        yield Window(day, min(day + _DAY, span.until))
        day += _DAY


@dataclass
class _Past:
    """The days that were lived through."""

    engine: Engine
    executor: Executor
    settings: Settings
    detectors: Mapping[str, Detector]
    derived: Derived
    replay: Replay = field(default_factory=lambda: Replay(ANOMALIES.empty_table()))
    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id, the newest revision of each anomaly."""
    first: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id, the first."""
    days: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def live(self, window: Window) -> None:
        """Detect a day as if its logs had come in time, and nothing were known of later ones."""
        now = window.until + dt.timedelta(minutes=self.settings.detect.watermark_minutes)
        context = Context(
            self.engine,
            self.executor,
            self.settings.detect,
            now,
            self.settings.rules,
            self.settings.geoip,
            derived=self.derived,
            replay=self.replay,
            part_bytes=self.settings.execution.part_bytes,
        )
        found, state, notes = found_by(context, window, self.detectors)
        self.notes += notes
        decided = [
            row
            for part in state
            if part.get("table") == "series_budget"
            for row in part.get("rows", ())
        ]
        self.replay.budget += decided
        published = Published(
            pa.Table.from_pylist(list(self.newest.values()), ANOMALIES), self._history()
        )
        run = Run(window, window.until, now, frozenset(self.detectors))
        changes = revise(found, published, run)
        for row in changes.rows.to_pylist():
            self.first.setdefault(row["anomaly_id"], row)
            self.newest[row["anomaly_id"]] = row
        self.replay.anomalies = pa.Table.from_pylist(list(self.newest.values()), ANOMALIES)
        self.days.append(
            {
                "day": window.since.date(),
                "alarms": changes.new,
                "withdrawn": changes.withdrawn,
                "raised": {row["detector"]: row["raised"] / 4 for row in decided if row["raised"]},
            }
        )

    def _history(self) -> pa.Table:
        rows = [
            {
                "anomaly_id": name,
                "detector": row["detector"],
                "published_at": self.first[name]["detected_at"],
                "revised_at": row["detected_at"],
            }
            for name, row in self.newest.items()
        ]
        return pa.Table.from_pylist(rows, _HISTORY)

    def result(
        self, span: Window, truth: Sequence[backtest_labels.Label] | None, started: float
    ) -> BacktestResult:
        """Sum it up."""
        told = [self._told(name) for name in self.first]
        in_span = None
        if truth is not None:
            in_span = [one for one in truth if span.since <= one.started_at < span.until]
        compared = None if in_span is None else backtest_labels.compare(told, in_span)
        false_ids = None if compared is None else set(compared.false_alarms)
        for row in told:
            row["is_false"] = None if false_ids is None else row["anomaly_id"] in false_ids
        weeks = (span.until - span.since) / dt.timedelta(weeks=1)
        bounds = {"since": span.since, "until": span.until}
        insights = self.engine.run("backtest/aws_insights", **bounds).to_pylist()
        billed = self.engine.run("backtest/insights_billed", **bounds).to_pylist()
        return BacktestResult(
            since=span.since,
            until=span.until,
            budget=self.settings.detect.budget,
            alarms=[{key: row[key] for key in row if key not in _LARGE} for row in told],
            days=self.days,
            kinds=_kinds(told),
            accounts=_accounts(told, weeks),
            nominal=_nominal(self.replay.expected, told),
            calibration=_calibration(self.replay.tails),
            labels=compared.summary if compared else None,
            insights=agreement(told, insights) if insights else None,
            billed=billed,
            notes=_distinct(self.notes),
            seconds=round(time.monotonic() - started, 3),
        )

    def _told(self, name: str) -> dict[str, Any]:
        """An anomaly as it was in the end, and when it was first told."""
        first, last = self.first[name], self.newest[name]
        run_day = (
            first["detected_at"]
            - dt.timedelta(minutes=self.settings.detect.watermark_minutes)
            - _MINUTE
        ).date()
        return last | {"day": run_day, "fired_at": backtest_labels.fired_at(first)}


_LARGE: Final = frozenset(("evidence", "insight"))


def _kinds(told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts = Counter((row["detector"], row["kind"]) for row in told)
    return [
        {"detector": detector_name, "kind": kind, "alarms": count}
        for (detector_name, kind), count in sorted(counts.items())
    ]


def _accounts(told: Sequence[Mapping[str, Any]], weeks: float) -> list[dict[str, Any]]:
    counts = Counter(row["account_id"] for row in told)
    return [
        {"account_id": account, "alarms": count, "per_week": round(count / weeks, 3)}
        for account, count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    ]


_PARTS: Final = {
    ("call_rate", "surge"): "surges",
    ("call_rate", "stop"): "stops and drops",
    ("call_rate", "drop"): "stops and drops",
    ("error_rate", "error_surge"): "surges",
}


def _nominal(
    expected: Sequence[Mapping[str, Any]], told: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    promised: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in expected:
        promised.setdefault((row["detector"], row["part"]), []).append(row)
    counts = Counter(
        (row["detector"], _PARTS.get((row["detector"], row["kind"]), ""))
        for row in told
        if row["is_false"] is not False
    )
    found = []
    for (name, part), rows in sorted(promised.items()):
        nominal = sum(row["nominal"] for row in rows)
        thetas = [row["theta"] for row in rows]
        found.append(
            {
                "detector": name,
                "part": part,
                "lowest_theta": min(thetas),
                "highest_theta": max(thetas),
                "nominal": round(nominal, 3),
                "actual": counts[name, part],
                "ratio": round(counts[name, part] / nominal, 3) if nominal else None,
            }
        )
    return found


def _calibration(tails: Mapping[str, tuple[int, int]]) -> list[dict[str, Any]]:
    return [
        {
            "stratum": name,
            "looks": seen,
            "share": round(below / seen, 5),
            "is_off": seen >= _LEAST_TAIL and not TAIL[0] <= below / seen <= TAIL[1],
        }
        for name, (seen, below) in sorted(tails.items())
        if seen
    ]


def _distinct(notes: Sequence[str]) -> list[str]:
    """Each note once; what a detector says of each single day is left to the tables."""
    return [note for note in dict.fromkeys(notes) if "from series_review" not in note]


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC).astimezone(dt.UTC)
