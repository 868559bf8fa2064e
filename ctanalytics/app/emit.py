"""Emit: send alerts that a target was not told of yet, and remember what it acknowledged."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO

from ctanalytics import aws as amazon
from ctanalytics.app.emit_run import EmitRun, TargetResult
from ctanalytics.emitters import FORMS, Target, parse_targets
from ctanalytics.emitters.base import Outside
from ctanalytics.emitters.delivery import Pace, Tally, deliver
from ctanalytics.emitters.summary import trial
from ctanalytics.errors import UsageError
from ctanalytics.findings import SEVERITIES
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

__all__ = ["EmitResult", "TargetResult", "emit", "send_test"]


@dataclass(frozen=True)
class EmitResult:
    """What an emit did, one entry for each target."""

    targets: list[TargetResult] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing failed in this run."""
        return not any(result.failed or result.reason for result in self.targets)


def emit(
    lake: str | Lake,
    targets: Sequence[str] = (),
    *,
    settings: Settings | None = None,
    min_severity: str | None = None,
    since: dt.datetime | None = None,
    include_backfill: bool | None = None,
    retry: bool = False,
    went_well: bool = True,
    dry_run: bool = False,
    now: dt.datetime | None = None,
    stdout: TextIO | None = None,
) -> EmitResult:
    """Send the incidents of a lake, and the anomalies that none tells of, to targets, each once.

    Args:
        targets: as `emitters.FORMS` has them; else those of the settings.
        min_severity: the least severe to send; else that of the settings.
        since: only what was detected from this time on.
        include_backfill: also send what ended long before it was detected.
        went_well: whether what came before in the same night did not fail; a target may say so.
        retry: also offer what a target refused so often that it was given up.
        dry_run: say what would be sent, and neither send nor record anything.
        stdout: what the target stdout writes to; else the process's own.

    Raises:
        UsageError: a target is wrong, or there is none.
        EmitError: no target could be reached at all.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    if min_severity and min_severity not in SEVERITIES:
        raise UsageError(
            f"there is no severity {min_severity!r}",
            where="--min-severity",
            mend=f"use one of {', '.join(SEVERITIES)}",
        )
    chosen = _targets(targets, settings, stdout)
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    run = EmitRun(
        here,
        settings,
        now=now or dt.datetime.now(dt.UTC),
        since=since,
        min_severity=min_severity or "",
        include_backfill=include_backfill,
        retry=retry,
        went_well=went_well,
    )
    if dry_run:
        return EmitResult([run.preview(target) for target in chosen])
    results, errors = [], []
    for target in chosen:
        result, error = run.to(target)
        results.append(result)
        errors += [error] if error else []
    if len(errors) == len(chosen) and not any(result.sent for result in results):
        raise errors[0]
    return EmitResult(results)


def send_test(
    targets: Sequence[str],
    *,
    settings: Settings | None = None,
    now: dt.datetime | None = None,
    stdout: TextIO | None = None,
) -> EmitResult:
    """Send one message that is marked as a test to each target; no lake is read or written.

    Raises:
        UsageError: a target is wrong, or there is none.
        EmitError: a target can't be reached.
    """
    settings = settings or Settings()
    results = []
    for target in _targets(targets, settings, stdout):
        tally = Tally()
        alert = trial(now or dt.datetime.now(dt.UTC))
        deliver(
            target.emitter,
            [alert],
            {},
            lambda _: None,
            tally=tally,
            now=alert.detected_at,
            pace=Pace(),
        )
        unsent = 1 - tally.sent
        reason = (tally.last_reason or "it was busy") if unsent else None
        results.append(
            TargetResult(
                target.emitter.target,
                sent=tally.sent,
                messages=tally.messages,
                failed=unsent,
                reason=reason,
            )
        )
    return EmitResult(results)


def _targets(targets: Sequence[str], settings: Settings, stdout: TextIO | None) -> list[Target]:
    outside = Outside(
        settings.emit_aws,
        stdout or sys.stdout,
        settings.emit.options,
        amazon.encryption(settings.lake_aws),
    )
    found = parse_targets(list(targets or settings.emit.targets), outside)
    if not found:
        raise UsageError("no target is named", where="--to", mend=f"name one of {FORMS}")
    return found
