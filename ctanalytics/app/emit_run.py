"""One run of emit over a lake, target by target."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ctanalytics.emitters import Target
from ctanalytics.emitters.base import (
    Account,
    Alert,
    Run,
    alert_from,
    detailed,
    incident_from,
    moment,
)
from ctanalytics.emitters.deciding import BACKFILL, Decisions, Handled, Policy, decide
from ctanalytics.emitters.delivery import Pace, Tally, deliver
from ctanalytics.emitters.outbox import Journal, at_the_start, left_over
from ctanalytics.emitters.pii import private
from ctanalytics.emitters.summary import within
from ctanalytics.emitters.terms import Terms, terms_of
from ctanalytics.engines.duckdb import Engine
from ctanalytics.errors import CtanalyticsError, EmitError, SettingsError
from ctanalytics.findings import SEVERITIES, severity_rank
from ctanalytics.lake.lake import Lake
from ctanalytics.lake.treatment import read_key
from ctanalytics.settings import Settings

_LAG_DAYS: Final = (2, 40)  # how far back the newest event is looked for
BUSY: Final = "the target was busy"


@dataclass(frozen=True)
class TargetResult:
    """What became of the alerts at one target."""

    target: str
    sent: int = 0
    suppressed: int = 0
    """Recorded and not sent: members of incidents, revisions, backfill, what is known as benign."""
    backfill: int = 0
    """Of those suppressed: what ended long before it was detected, as in logs of long ago."""
    held: int = 0
    """Left for a later run, because of quiet hours."""
    failed: int = 0
    """Refused, or not delivered because the target can't be reached; tried again next time."""
    dead: int = 0
    """Refused so often that only `retry` offers them again."""
    already: int = 0
    """Settled in an earlier run."""
    messages: int = 0
    """Of those sent: a summary is one for many."""
    reason: str | None = None
    """Why something failed."""
    preview: str | None = None
    """With dry_run: what would be done."""
    alerts: list[dict[str, Any]] = field(default_factory=list)
    """With dry_run: what would be sent, by id, state, revision, severity and title."""


@dataclass
class EmitRun:
    """What one run of emit knows."""

    lake: Lake
    settings: Settings
    now: dt.datetime
    since: dt.datetime | None = None
    min_severity: str = ""
    include_backfill: bool | None = None
    retry: bool = False
    went_well: bool = True

    def to(self, target: Target) -> tuple[TargetResult, CtanalyticsError | None]:
        """Send to one target; an error of the target is no error of the others."""
        emitter = target.emitter
        terms = self._terms(target)
        journal = Journal(self.lake, emitter.target)
        with self.lake.lease(journal.lease_name):
            journal.fold()  # what a run that was killed had been told
            with self.lake.engine() as engine:
                decisions = self._decide(engine, emitter.target, terms)
                run = self._run(engine)
            journal.fold(at_the_start(emitter.target, decisions, self.now))
            tally = Tally()
            error: CtanalyticsError | None = None
            try:
                deliver(
                    emitter,
                    self._messages(decisions, terms),
                    decisions.attempts,
                    journal.write,
                    tally=tally,
                    now=self.now,
                    pace=Pace(terms.calls_per_second),
                )
                emitter.finish(run)
            except (EmitError, SettingsError) as found:
                error = found
            reason = error.what if error else tally.last_reason or BUSY
            left = frozenset(tally.settled)
            journal.fold(left_over(emitter.target, decisions, left, reason, self.now))
        return self._result(emitter.target, decisions, tally, error), error

    def _result(
        self, name: str, decisions: Decisions, tally: Tally, error: CtanalyticsError | None
    ) -> TargetResult:
        unsent = len(decisions.send) - tally.sent
        return TargetResult(
            name,
            sent=tally.sent,
            suppressed=len(decisions.suppress),
            backfill=_of_long_ago(decisions),
            held=len(decisions.hold),
            failed=unsent,
            dead=decisions.dead,
            already=decisions.already,
            messages=tally.messages,
            reason=str(error) if error else (tally.last_reason or BUSY) if unsent else None,
        )

    def preview(self, target: Target) -> TargetResult:
        """Say what `to` would do."""
        terms = self._terms(target)
        with self.lake.engine() as engine:
            decisions = self._decide(engine, target.emitter.target, terms)
            run = self._run(engine)
        messages = self._messages(decisions, terms)
        return TargetResult(
            target.emitter.target,
            suppressed=len(decisions.suppress),
            backfill=_of_long_ago(decisions),
            held=len(decisions.hold),
            dead=decisions.dead,
            already=decisions.already,
            preview=target.emitter.preview(messages, run),
            alerts=[_brief(alert) for alert in decisions.send],
        )

    def _terms(self, target: Target) -> Terms:
        return terms_of(target.names, target.habits, self.settings.emit, self.min_severity)

    def _messages(self, decisions: Decisions, terms: Terms) -> list[Alert]:
        """What goes out: nobody's name where it is not to be, and many in one."""
        key = read_key(self.settings.redact.key_file) if terms.pii == "hashed" else None
        alerts = [private(alert, terms.pii, key) for alert in decisions.send]
        return within(alerts, terms.max_messages)

    def _decide(self, engine: Engine, name: str, terms: Terms) -> Decisions:
        """Read what a target may not know yet, and decide on it."""
        backfill = self.settings.emit.include_backfill
        backfill = backfill if self.include_backfill is None else self.include_backfill
        ranks = range(severity_rank(terms.min_severity), len(SEVERITIES))
        bounds = {
            "detected_since": self.since,
            "target": name,
            "severities": [SEVERITIES[rank] for rank in ranks],
            "again": BACKFILL if backfill else None,
        }
        alerts = list(self._alerts(engine, terms, bounds))
        handled: dict[str, list[Handled]] = defaultdict(list)
        ids = [alert.anomaly_id for alert in alerts]
        for row in engine.run("emit/handled", target=name, ids=ids).to_pylist():
            handled[row.pop("anomaly_id")].append(Handled(**row))
        policy = Policy(
            terms,
            self.now,
            dt.timedelta(hours=self.settings.emit.backfill_hours),
            include_backfill=backfill,
            retry=self.retry,
            members=self._members(engine) if terms.grain == "incidents" else frozenset(),
        )
        found = decide(alerts, handled, policy)
        settled = engine.run("emit/settled", **bounds, grain=terms.grain)["settled"][0].as_py()
        send = _detailed(engine, found.send)
        return dataclasses.replace(found, send=send, already=found.already + settled)

    def _alerts(self, engine: Engine, terms: Terms, bounds: Mapping[str, Any]) -> Iterator[Alert]:
        rows = engine.run("emit/accounts").to_pylist()
        directory = {row["account_id"]: Account(**row) for row in rows}
        if terms.grain != "anomalies":
            for row in engine.run("emit/incidents", **bounds).to_pylist():
                yield incident_from(row, directory)
        for row in engine.run("emit/anomalies", **bounds).to_pylist():
            yield alert_from(row, directory)

    def _members(self, engine: Engine) -> frozenset[str]:
        return frozenset(engine.run("emit/members")["anomaly_id"].to_pylist())

    def _run(self, engine: Engine) -> Run:
        return Run(
            self.now,
            self._lag_minutes(engine),
            has_incidents=bool(self._members(engine)),
            went_well=self.went_well,
        )

    def _lag_minutes(self, engine: Engine) -> float | None:
        """How old the newest event is; the last days are looked at first."""
        for days in _LAG_DAYS:
            newest: dt.datetime | None = engine.run(
                "emit/newest_event",
                since=self.now - dt.timedelta(days=days),
                until=self.now + dt.timedelta(days=1),
            )["newest_event"][0].as_py()
            if newest is not None:
                return max(0.0, round((self.now - newest) / dt.timedelta(minutes=1), 1))
        return None


def _detailed(engine: Engine, alerts: list[Alert]) -> list[Alert]:
    """Add what is long to the anomalies that are sent, and only to these."""
    ids = [alert.anomaly_id for alert in alerts if alert.incident is None]
    rows = engine.run("emit/details", ids=ids).to_pylist() if ids else []
    found = {row["anomaly_id"]: row for row in rows}
    return [
        detailed(alert, found[alert.anomaly_id]) if alert.anomaly_id in found else alert
        for alert in alerts
    ]


def _brief(alert: Alert) -> dict[str, Any]:
    return {
        "anomaly_id": alert.anomaly_id,
        "state": alert.state,
        "revision": alert.revision,
        "severity": alert.severity,
        "title": alert.title,
        "started_at": moment(alert.started_at),
    }


def _of_long_ago(decisions: Decisions) -> int:
    return sum(reason == BACKFILL for _, reason in decisions.suppress)
