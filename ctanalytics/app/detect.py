"""Detect: run detectors over a span of the lake, and store what is new about what they found."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ctanalytics import settings as settings_module
from ctanalytics.detectors import DEFAULT, detector
from ctanalytics.detectors.allowed import marks
from ctanalytics.detectors.base import Context, Detector, Window
from ctanalytics.detectors.revisions import NEAR, Changes, Published, Run, revise
from ctanalytics.engines.duckdb import Engine
from ctanalytics.engines.executor import Executor, chosen
from ctanalytics.errors import UsageError
from ctanalytics.findings import ANOMALIES, MARKS, severity_rank
from ctanalytics.lake.derived import Derived
from ctanalytics.lake.kept_files import keep_newest
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.layout import TABLES
from ctanalytics.settings import Settings

_MINUTE: Final = dt.timedelta(minutes=1)
_LOOK_BACK_DAYS: Final = (2, 60, 700)
_FIRST_LOGS: Final = dt.datetime(2013, 11, 13, tzinfo=dt.UTC)  # no CloudTrail record is older


@dataclass(frozen=True)
class DetectResult:
    """What is known about a span after a detect."""

    anomalies: pa.Table
    """`findings.ANOMALIES`: the newest revisions that touch the span, of the detectors that ran,
    withdrawn ones left out; the most severe first."""
    new: int
    updated: int
    withdrawn: int
    """No longer found, or taken over by another."""
    allowed: int
    """Of the anomalies, those that the allow-list covers: kept, not sent."""
    since: dt.datetime
    until: dt.datetime
    """The span that was judged, in whole minutes."""
    notes: list[str]
    seconds: float


def detect(
    lake: str | Path | Lake,
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    detectors: Sequence[str] = (),
    now: dt.datetime | None = None,
    executor: Executor | None = None,
) -> DetectResult:
    """Find anomalies in a span and store them; what is stored already is not stored again.

    Args:
        since: start of the span; else `detect.days` of the settings before its end.
        until: its end; else, and at most, where the logs end.
        detectors: names; else those of the settings, else detectors.DEFAULT.
        now: the time of this run.
        executor: runs the heavy parts of detectors; else the one that the settings name.

    Raises:
        UsageError: a detector is unknown, or the span is empty.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    wanted = {name: detector(name) for name in detectors or settings.detect.detectors or DEFAULT}
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with ExitStack() as stack:
        return run(
            here,
            wanted,
            settings=settings.detect,
            rules=settings.rules,
            geoip=settings.geoip,
            since=since,
            until=until,
            now=now or dt.datetime.now(dt.UTC),
            executor=executor or stack.enter_context(chosen(settings.execution)),
            part_bytes=settings.execution.part_bytes,
        )


def run(
    lake: Lake,
    detectors: Mapping[str, Detector],
    *,
    settings: settings_module.Detect,
    since: dt.datetime | None,
    until: dt.datetime | None,
    now: dt.datetime,
    executor: Executor,
    rules: settings_module.Rules | None = None,
    geoip: settings_module.Geoip | None = None,
    part_bytes: int = settings_module.Execution().part_bytes,
) -> DetectResult:
    """As `detect`, with these detectors by their names."""
    started = time.monotonic()
    now = _utc(now).replace(microsecond=0)
    # Held throughout: two runs that both see an anomaly as new would publish it twice.
    with lake.lease("detect"), lake.engine() as engine:
        newest = newest_event(engine, now)
        ready = _floor(now) - dt.timedelta(minutes=settings.watermark_minutes)
        logs_until = min(_floor(newest) + _MINUTE, ready) if newest else ready
        window, notes = _window(since, until, logs_until, settings)
        changes = None
        if newest is None:
            notes.append("the lake has no events with a believable time: there is nothing to judge")
        elif window.since < window.until:
            run_of = Run(window, logs_until, now, frozenset(detectors))
            with closing(Derived.open(lake)) as derived:
                context = Context(
                    engine,
                    executor,
                    settings,
                    now,
                    rules or settings_module.Rules(),
                    geoip or settings_module.Geoip(),
                    derived,
                    part_bytes=part_bytes,
                )
                found, state, said = found_by(context, window, detectors)
                notes += said
                changes = revise(found, _published(engine, found, run_of), run_of)
                lake.append("anomalies", changes.rows)
                _remember(lake, derived, state)
    standing = _standing(lake, window, detectors)
    reasons = _allow(lake, standing, settings.allow, now)
    notes += [
        f"{count} {'anomaly' if count == 1 else 'anomalies'} allowed, not sent: {reason}"
        for reason, count in sorted(reasons.items())
    ]
    return DetectResult(
        standing,
        *_counts(changes),
        allowed=sum(reasons.values()),
        since=window.since,
        until=window.until,
        notes=list(dict.fromkeys(notes)),
        seconds=round(time.monotonic() - started, 3),
    )


def _window(
    since: dt.datetime | None,
    until: dt.datetime | None,
    logs_until: dt.datetime,
    settings: settings_module.Detect,
) -> tuple[Window, list[str]]:
    """The span to judge, and what there is to say about it."""
    notes = []
    end = _ceil(_utc(until)) if until else logs_until
    start = _floor(_utc(since)) if since else end - dt.timedelta(days=settings.days)
    if until and start >= end:
        raise UsageError(
            f"the span from {_text(start)} to {_text(end)} is empty",
            where="--since, --until",
            mend="give a start that lies before the end",
        )
    if end > logs_until:
        # Silence after the last log is no silence of those who are logged.
        notes.append(f"the logs end at {_text(logs_until)}: what comes after is not judged")
        end = logs_until
    if start >= end:
        notes.append(f"the logs end before {_text(start)}: there is nothing to judge")
        end = start
    return Window(start, end), notes


def newest_event(engine: Engine, now: dt.datetime) -> dt.datetime | None:
    """When the newest event up to now happened; the last days are looked at first."""
    until = now + dt.timedelta(seconds=1)
    starts = [now - dt.timedelta(days=days) for days in _LOOK_BACK_DAYS]
    for since in (*starts, _FIRST_LOGS):
        row = engine.run("detect/newest_event", since=since, until=until).to_pylist()[0]
        newest: dt.datetime | None = row["newest_event"]
        if newest is not None:
            return newest
    return None


def found_by(
    context: Context, window: Window, detectors: Mapping[str, Detector]
) -> tuple[pa.Table, list[dict[str, Any]], list[str]]:
    """Return what detectors find in a window, what they want to remember, and what they say."""
    tables, state, notes = [ANOMALIES.empty_table()], list[dict[str, Any]](), list[str]()
    for find in detectors.values():
        result = find(context, window)
        tables.append(result.anomalies.select(ANOMALIES.names).cast(ANOMALIES))
        state += result.state
        notes += result.notes
    return pa.concat_tables(tables), state, notes


def _remember(lake: Lake, derived: Derived, state: Sequence[Mapping[str, Any]]) -> None:
    """Commit what detectors remember; see `DetectorResult.state`."""
    derived.commit([part for part in state if "add" in part])
    for part in state:
        if "rows" in part:
            columns = TABLES[part["table"]].schema
            lake.append(part["table"], pa.Table.from_pylist(part["rows"], columns))
        elif "file" in part:
            keep_newest(lake.store, part["file"], part["content"])


def _published(engine: Engine, found: pa.Table, run_of: Run) -> Published:
    """What the lake holds near the window and near what was found, which may begin earlier."""
    since = min([run_of.window.since, *found["started_at"].to_pylist()]) - NEAR - _MINUTE
    until = run_of.window.until + NEAR + _MINUTE
    return Published(
        engine.run("detect/published", since=since, until=until), engine.run("detect/history")
    )


def _standing(lake: Lake, window: Window, detectors: Iterable[str]) -> pa.Table:
    """What stands after the run, the most severe first."""
    names = set(detectors)
    with lake.engine() as engine:
        stored = engine.run("detect/published", since=window.since, until=window.until)
    rows: list[dict[str, Any]] = [
        row
        for row in stored.to_pylist()
        if row["state"] != "withdrawn" and row["detector"] in names
    ]
    rows.sort(key=lambda row: (-severity_rank(row["severity"]), -row["score"], row["anomaly_id"]))
    return pa.Table.from_pylist(rows, ANOMALIES)


def _allow(
    lake: Lake, standing: pa.Table, entries: Sequence[settings_module.Allow], now: dt.datetime
) -> dict[str, int]:
    """Mark what the allow-list covers; return how many each reason of it covers."""
    rows = standing.to_pylist()
    with lake.engine() as engine:
        said = {one["anomaly_id"]: one for one in engine.run("mark/known").to_pylist()}
        new = marks(engine, rows, said, entries, now)
    if new:
        lake.append("marks", pa.Table.from_pylist(new, MARKS))
    said |= {one["anomaly_id"]: one for one in new}
    here = (said[row["anomaly_id"]] for row in rows if row["anomaly_id"] in said)
    return dict(Counter(one["note"] for one in here if one["verdict"] == "allowed"))


def _counts(changes: Changes | None) -> tuple[int, int, int]:
    return (changes.new, changes.updated, changes.withdrawn) if changes else (0, 0, 0)


def _utc(time: dt.datetime) -> dt.datetime:
    return time.replace(tzinfo=time.tzinfo or dt.UTC).astimezone(dt.UTC)


def _floor(time: dt.datetime) -> dt.datetime:
    return time.replace(second=0, microsecond=0)


def _ceil(time: dt.datetime) -> dt.datetime:
    return _floor(time + _MINUTE - dt.timedelta(microseconds=1))


def _text(time: dt.datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
