"""Emit: send anomalies that a target was not told of yet, and remember what it acknowledged."""

from __future__ import annotations

import datetime as dt
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from ctanalytics.emitters import parse_targets
from ctanalytics.emitters.base import Alert, Emitter, Outside, Run, alert_from, moment
from ctanalytics.emitters.outbox import (
    Decisions,
    Handled,
    Journal,
    Policy,
    Tally,
    decide,
    deliver,
    suppressed_row,
)
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import CtanalyticsError, EmitError, SettingsError, UsageError
from ctanalytics.findings import SEVERITIES
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

_LAG_DAYS: Final = 40  # how far back the newest event is looked for


@dataclass(frozen=True)
class TargetResult:
    """What became of the anomalies at one target."""

    target: str
    sent: int = 0
    suppressed: int = 0
    """Recorded and not sent: revisions of sent alerts, backfill, taken over or withdrawn ones."""
    failed: int = 0
    """Refused, or not delivered because the target can't be reached; tried again next time."""
    already: int = 0
    """Settled in an earlier run."""
    reason: str | None = None
    """Why something failed."""
    preview: str | None = None
    """With dry_run: what would be done."""
    alerts: list[dict[str, Any]] = field(default_factory=list)
    """With dry_run: what would be sent, by id, state, revision, severity and title."""


@dataclass(frozen=True)
class EmitResult:
    """What an emit did, one entry for each target."""

    targets: list[TargetResult]

    @property
    def complete(self) -> bool:
        """Whether nothing failed."""
        return not any(result.failed or result.reason for result in self.targets)


def emit(
    lake: str | Lake,
    targets: Sequence[str] = (),
    *,
    settings: Settings | None = None,
    min_severity: str | None = None,
    since: dt.datetime | None = None,
    include_backfill: bool | None = None,
    dry_run: bool = False,
    now: dt.datetime | None = None,
    stdout: TextIO | None = None,
) -> EmitResult:
    """Send the anomalies of a lake to targets, each once.

    Args:
        targets: cloudwatch:NAMESPACE, sns:ARN, stdout, file:PATH; else those of the settings.
        min_severity: the least severe to send; else that of the settings.
        since: only anomalies detected from this time on.
        include_backfill: also send what ended long before it was detected.
        dry_run: say what would be sent, and neither send nor record anything.
        stdout: what the target stdout writes to; else the process's own.

    Raises:
        UsageError: a target is wrong, or there is none.
        EmitError: no target could be reached at all.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    wanted = min_severity or settings.emit.min_severity
    if wanted not in SEVERITIES:
        raise UsageError(
            f"there is no severity {wanted!r}",
            where="--min-severity",
            mend=f"use one of {', '.join(SEVERITIES)}",
        )
    emitters = parse_targets(
        list(targets or settings.emit.targets), Outside(settings.emit_aws, stdout or sys.stdout)
    )
    if not emitters:
        raise UsageError(
            "no target is named", where="--to", mend="name one, such as --to stdout or --to sns:ARN"
        )
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    backfill = settings.emit.include_backfill if include_backfill is None else include_backfill
    policy = Policy(wanted, dt.timedelta(hours=settings.emit.backfill_hours), backfill)
    run = _Run(here, policy, since, now or dt.datetime.now(dt.UTC))
    if dry_run:
        return EmitResult([run.preview(emitter) for emitter in emitters])
    results, errors = [], []
    for emitter in emitters:
        result, error = run.to(emitter)
        results.append(result)
        errors += [error] if error else []
    if len(errors) == len(emitters) and not any(result.sent for result in results):
        raise errors[0]
    return EmitResult(results)


@dataclass(frozen=True, slots=True)
class _Run:
    lake: Lake
    policy: Policy
    since: dt.datetime | None
    now: dt.datetime

    def to(self, emitter: Emitter) -> tuple[TargetResult, CtanalyticsError | None]:
        """Send to one target; an error of the target is no error of the others."""
        journal = Journal(self.lake, emitter.target)
        with self.lake.lease(journal.lease_name):
            journal.fold()  # what a run that was killed had been told
            with self.lake.engine() as engine:
                decisions = self._decide(engine, emitter)
                lag = self._lag_minutes(engine)
            tally = Tally()
            error: CtanalyticsError | None = None
            try:
                deliver(emitter, decisions, journal.write, tally=tally, now=self.now)
                emitter.finish(Run(self.now, lag))
            except (EmitError, SettingsError) as found:
                error = found
            journal.fold(
                [
                    suppressed_row(emitter.target, alert, reason, self.now)
                    for alert, reason in decisions.suppress
                ]
            )
        unsent = len(decisions.send) - tally.sent
        result = TargetResult(
            emitter.target,
            sent=tally.sent,
            suppressed=len(decisions.suppress),
            failed=unsent,
            already=decisions.already,
            reason=str(error) if error else tally.last_reason if unsent else None,
        )
        return result, error

    def preview(self, emitter: Emitter) -> TargetResult:
        """Say what `to` would do."""
        with self.lake.engine() as engine:
            decisions = self._decide(engine, emitter)
        return TargetResult(
            emitter.target,
            suppressed=len(decisions.suppress),
            already=decisions.already,
            preview=emitter.preview(decisions.send),
            alerts=[_brief(alert) for alert in decisions.send],
        )

    def _decide(self, engine: Engine, emitter: Emitter) -> Decisions:
        rows = engine.run("emit/anomalies", detected_since=self.since).to_pylist()
        handled: dict[str, list[Handled]] = defaultdict(list)
        for row in engine.run("emit/handled", target=emitter.target).to_pylist():
            handled[row.pop("anomaly_id")].append(Handled(**row))
        return decide(map(alert_from, rows), handled, self.policy)

    def _lag_minutes(self, engine: Engine) -> float | None:
        newest: dt.datetime | None = engine.run(
            "emit/newest_event",
            since=self.now - dt.timedelta(days=_LAG_DAYS),
            until=self.now + dt.timedelta(days=1),
        )["newest_event"][0].as_py()
        if newest is None:
            return None
        return max(0.0, round((self.now - newest) / dt.timedelta(minutes=1), 1))


def _brief(alert: Alert) -> dict[str, Any]:
    return {
        "anomaly_id": alert.anomaly_id,
        "state": alert.state,
        "revision": alert.revision,
        "severity": alert.severity,
        "title": alert.title,
        "started_at": moment(alert.started_at),
    }
