"""Watch: ingest, find, tell, round after round, for as long as the caller wants more."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final

from ctanalytics.app.detect import detect
from ctanalytics.app.nightly.records import StepResult
from ctanalytics.app.nightly.run import WORK
from ctanalytics.app.nightly.steps import STEPS, Night
from ctanalytics.errors import CtanalyticsError, LakeBusy, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

_LEAST_PAUSE: Final = 1.0  # between two rounds, when one took longer than it should

Clock = Callable[[], dt.datetime]


@dataclass(frozen=True, slots=True)
class WatchRound:
    """What one round came to."""

    number: int
    started_at: dt.datetime
    steps: list[StepResult] = field(default_factory=list)
    """None when a night was at work, which does the same and more."""
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """done, part when something is left to the next round, or skipped."""
        if not self.steps:
            return "skipped"
        return "done" if {step.state for step in self.steps} <= {"done", "skipped"} else "part"


def watch(
    settings: Settings,
    *,
    every_seconds: float | None = None,
    clock: Clock = lambda: dt.datetime.now(dt.UTC),
    pause: Callable[[float], None] = time.sleep,
) -> Generator[WatchRound]:
    """Bring in new logs, run rules and rate detectors, and send alerts, until the iterator is closed.

    Each round judges the last hours again (`watch.hours`), because log files come late. A step that
    fails is told in its round and tried again in the next one. Rounds and nights take turns.

    Args:
        every_seconds: from the start of one round to the next; else `watch.every_seconds`.
        clock: tells the time.
        pause: waits between two rounds, in seconds.

    Raises:
        UsageError: no lake or source is named, or a setting can't be used.
        LakeError: the lake can't be opened or made.
    """
    if not settings.lake or not settings.sources:
        raise UsageError(
            "to watch needs a lake and sources",
            where="ctanalytics.toml",
            mend='write lake = "PLACE" and sources = ["s3://BUCKET"] at the top of the file',
        )
    every = every_seconds or settings.watch.every_seconds
    lake = Lake.create(settings.lake, settings.lake_aws)
    number = 0
    while True:
        number += 1
        began, monotonic = clock(), time.monotonic()
        steps: list[StepResult] = []
        try:
            with lake.lease(WORK, wait_seconds=0):
                for name in _STEPS:
                    failed = tuple(step.step for step in steps if step.state == "failed")
                    steps.append(_step(name, lake, settings, clock(), failed))
        except LakeBusy:
            pass  # a night is at work, or another watch
        yield WatchRound(number, began, steps, round(time.monotonic() - monotonic, 3))
        due = began + dt.timedelta(seconds=every)
        pause(max(_LEAST_PAUSE, (due - clock()).total_seconds()))


def _step(
    name: str, lake: Lake, settings: Settings, now: dt.datetime, failed: tuple[str, ...]
) -> StepResult:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    night = Night(lake, settings, midnight, now.replace(microsecond=0), "", [], failed)
    started = time.monotonic()
    try:
        result = _STEPS[name](night)
    except UsageError:
        raise  # the next round would meet the same
    except CtanalyticsError as error:
        result = StepResult(name, "failed", error=str(error))
    return dataclasses.replace(result, seconds=round(time.monotonic() - started, 3))


def _detect(night: Night) -> StepResult:
    """Judge the last hours by what is quick: rates and rules."""
    watched = night.settings.watch
    found = detect(
        night.lake,
        settings=night.settings,
        detectors=watched.detectors,
        since=night.now - dt.timedelta(hours=watched.hours),
        now=night.now,
    )
    counts = {"new": found.new, "updated": found.updated, "withdrawn": found.withdrawn}
    severities = Counter(found.anomalies["severity"].to_pylist())
    by_severity = {"by_severity": dict(sorted(severities.items()))}
    return StepResult("detect", "done", counts | by_severity, notes=found.notes)


_STEPS: Final[dict[str, Callable[[Night], StepResult]]] = {
    "ingest": STEPS["ingest"],
    "detect": _detect,
    "incidents": STEPS["incidents"],
    "emit": STEPS["emit"],
}
