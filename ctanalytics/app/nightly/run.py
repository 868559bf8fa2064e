"""Nightly: ingest, validate, audit, detect, incidents, emit, report and care, as one recorded run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ctanalytics.app.nightly.records import (
    Past,
    Record,
    StepResult,
    new_run_id,
    nights,
)
from ctanalytics.app.nightly.steps import STEPS, Night, chosen
from ctanalytics.errors import CtanalyticsError, LakeBusy, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.records.runs import NIGHT
from ctanalytics.settings import Settings

LEASE: Final = "nightly"
"""Held while a night is at work: a second one that starts meanwhile does nothing."""

WORK: Final = "work"
"""Held while a night's steps run, and by each round of `watch`: a night waits for the round's end,
and while it works no round begins."""

_PATIENCE_SECONDS: Final = 75.0  # the lease of one that was killed elsewhere lasts for a minute

_BUSY: Final = "another night is at work on this lake: this one does nothing"
_DONE: Final = "another night was done while this one waited: it does nothing"

_ROUND_SECONDS: Final = 3_600.0  # the longest a night waits for a round: a first one reads 35 days

RESUMES: Final = dt.timedelta(hours=6)
"""A night that was killed goes on where it was, when the next begins within this time."""

_DAY: Final = dt.timedelta(days=1)

Report = Callable[[StepResult], None]
"""Is told each step as it ends."""


@dataclass(frozen=True, slots=True)
class NightlyResult:
    """What a night came to."""

    run_id: str
    day: dt.date
    """The UTC day that it reports."""
    steps: list[StepResult] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    """Steps that a run which was killed had done before."""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """done, part, failed, or skipped when another night was at work."""
        states = {step.state for step in self.steps}
        if not states:
            return "skipped"
        if states <= {"done", "skipped"}:
            return "done"
        return "failed" if states <= {"failed", "skipped"} and not self.resumed else "part"

    @property
    def exit_code(self) -> int:
        """0 done, 3 when something is left to do, 1 when no step went well."""
        return StepResult(NIGHT, self.state).exit_code


def nightly(
    settings: Settings,
    *,
    begin: str | None = None,
    only: Sequence[str] = (),
    output: str | None = None,
    fresh: bool = False,
    wait: bool = True,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    sleep: Callable[[float], None] = time.sleep,
    patience: float = _PATIENCE_SECONDS,
    report: Report | None = None,
) -> NightlyResult:
    """Do the night's work for the UTC day that ended last, and keep a record of it.

    Every step is safe to repeat, and none needs the one before it to have gone well. A run that was
    killed within the last hours goes on at the step where it was.

    Args:
        begin: the first step to do; else ingest.
        only: only these steps.
        output: folder or s3://bucket/prefix of the reports; else `report.output`.
        fresh: begin anew even where a run was killed.
        wait: wait until the day's last events are delivered (`detect.watermark_minutes`).
        now, sleep: the clock.
        patience: seconds to wait for another night that holds the lease.
        report: is told each step as it ends.

    Raises:
        UsageError: no lake or source is named, or there is no such step.
        LakeError: the lake can't be opened or written.
    """
    started = time.monotonic()
    names = _names(settings, begin, list(only))
    lake = (
        Lake.create(settings.lake, settings.lake_aws)
        if "ingest" in names
        else Lake.open(settings.lake, settings.lake_aws)
    )
    began = now()
    day, run_id = _midnight(began) - _DAY, new_run_id(began)
    steps: list[StepResult] = []
    resumed: list[str] = []
    try:
        with lake.lease(LEASE, wait_seconds=patience):
            before = nights(lake, now())
            if before and (before[0].night["ended_at"] or began) > began:
                return NightlyResult(run_id, day.date(), notes=[_DONE])
            killed = None if fresh or begin or only else _killed(before, now(), day)
            if killed:
                run_id = killed.run_id
                resumed = [name for name in names if name in killed.done()]
            elif wait and "ingest" in names:
                _wait(settings, day + _DAY, now, sleep)
            place = output or settings.report.output
            night = Night(lake, settings, day, now().replace(microsecond=0), place, before)
            todo = [name for name in names if name not in resumed]
            with lake.lease(WORK, wait_seconds=_ROUND_SECONDS):
                steps = _run(night, todo, run_id, now, report)
    except LakeBusy:
        return NightlyResult(run_id, day.date(), notes=[_BUSY])
    seconds = round(time.monotonic() - started, 3)
    return NightlyResult(run_id, day.date(), steps, resumed, seconds=seconds)


def _run(
    night: Night,
    names: Sequence[str],
    run_id: str,
    now: Callable[[], dt.datetime],
    report: Report | None,
) -> list[StepResult]:
    """Do steps, each recorded before and after; an error that is no one's fault ends the run."""
    record = Record(night.lake, run_id, night.day.date())
    began = now()
    record.begin(NIGHT, began)
    steps: list[StepResult] = []
    state = "failed"
    try:
        for name in names:
            failed = tuple(step.step for step in steps if step.state == "failed")
            steps.append(_step(dataclasses.replace(night, failed=failed), name, record, now))
            if report:
                report(steps[-1])
        state = NightlyResult(run_id, night.day.date(), steps).state
    except KeyboardInterrupt:
        state = "stopped"
        raise
    finally:
        ended = now()
        whole = StepResult(
            NIGHT,
            state,
            {step.step: step.state for step in steps},
            seconds=round((ended - began).total_seconds(), 3),
        )
        record.end(whole, began, ended)
    return steps


def _step(night: Night, name: str, record: Record, now: Callable[[], dt.datetime]) -> StepResult:
    began, clock = now(), time.monotonic()
    record.begin(name, began)
    result = StepResult(name, "failed", error="a fault of ctanalytics ended it")
    try:
        # What is known changes from step to step: an ingest takes its time.
        result = STEPS[name](dataclasses.replace(night, now=began.replace(microsecond=0)))
        if any(not one["holds"] for one in result.identities):
            result = dataclasses.replace(result, state="failed")
    except CtanalyticsError as error:
        result = StepResult(name, "failed", error=str(error))
    except KeyboardInterrupt:
        result = StepResult(name, "stopped", error="it was stopped from outside")
        raise
    finally:
        result = dataclasses.replace(result, seconds=round(time.monotonic() - clock, 3))
        record.end(result, began, now())
    return result


def _names(settings: Settings, begin: str | None, only: list[str]) -> list[str]:
    unknown = [name for name in (*([begin] if begin else []), *only) if name not in STEPS]
    if unknown:
        raise UsageError(
            f"there is no step {', '.join(unknown)}",
            where="--from, --only",
            mend=f"the steps are {', '.join(STEPS)}",
        )
    names = list(chosen(begin, only))
    if not names:
        raise UsageError(
            "no step is left to do", where="--from, --only", mend="give one of the two flags"
        )
    if not settings.lake or ("ingest" in names and not settings.sources):
        raise UsageError(
            "a night needs a lake and sources",
            where="ctanalytics.toml",
            mend='write lake = "PLACE" and sources = ["s3://BUCKET"] at the top of the file',
        )
    return names


def _killed(before: Sequence[Past], now: dt.datetime, day: dt.datetime) -> Past | None:
    """The last night, when it was stopped a short while ago: nobody else holds the lease."""
    last = before[0] if before else None
    if last is None or last.night["state"] not in ("running", "stopped"):
        return None
    is_recent = now - last.night["started_at"] <= RESUMES and last.night["day"] == day.date()
    return last if is_recent else None


def _wait(
    settings: Settings,
    midnight: dt.datetime,
    now: Callable[[], dt.datetime],
    sleep: Callable[[float], None],
) -> None:
    """Wait until the last events of the day can be expected to be delivered."""
    ready = midnight + dt.timedelta(minutes=settings.detect.watermark_minutes)
    seconds = (ready - now()).total_seconds()
    if seconds > 0:
        sleep(seconds)


def _midnight(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
