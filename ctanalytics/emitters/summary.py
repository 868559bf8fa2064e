"""Messages that are no finding: the rest of a long list in one, and a test of a target."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

from ctanalytics import untrusted
from ctanalytics.emitters.base import Alert
from ctanalytics.findings import SEVERITIES, severity_rank

NAMED: Final = 40
"""Alerts that a summary names; of the others it gives the number."""


def within(alerts: Sequence[Alert], most: int) -> list[Alert]:
    """Return the alerts as at most so many messages and one more, which tells of the rest.

    Args:
        alerts: the most important first.
        most: 0 for no limit.
    """
    if most == 0 or len(alerts) <= most:
        return list(alerts)
    return [*alerts[:most], _summary(alerts[most:])]


def _summary(alerts: Sequence[Alert]) -> Alert:
    severities = Counter(alert.severity for alert in alerts)
    counts = ", ".join(
        f"{severities[name]} {name}" for name in SEVERITIES[::-1] if severities[name]
    )
    first = alerts[0]
    named = [
        f"{one.severity}: {untrusted.one_line(one.title)} ({one.anomaly_id})" for one in alerts
    ]
    rest = [f"and {len(alerts) - NAMED} more"] if len(alerts) > NAMED else []
    ids = "\n".join(sorted(alert.alert_id for alert in alerts))
    accounts = {account.account_id: account for alert in alerts for account in alert.accounts}
    return Alert(
        # The same alerts make the same id: a receiver may drop a summary that comes again.
        anomaly_id=hashlib.sha256(ids.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        state="open",
        revision=1,
        detector="ctanalytics",
        kind="summary",
        severity=max((alert.severity for alert in alerts), key=severity_rank),
        score=max(alert.score for alert in alerts),
        started_at=min(alert.started_at for alert in alerts),
        detected_at=max(alert.detected_at for alert in alerts),
        title=f"{len(alerts)} more alerts: {counts}",
        explanation="\n".join(
            [*named[:NAMED], *rest, "The report and `ctanalytics query` show all."]
        ),
        account_id=first.account_id if len(accounts) == 1 else None,
        evidence={"alert_ids": [alert.alert_id for alert in alerts]},
        accounts=tuple(accounts[key] for key in sorted(accounts)),
        stands_for=tuple(alerts),
    )


def trial(now: dt.datetime) -> Alert:
    """Return the message by which a person sees that a target is reached."""
    name = f"test\x1f{now.isoformat()}"
    return Alert(
        anomaly_id=hashlib.sha256(name.encode()).hexdigest()[:32],
        state="open",
        revision=1,
        detector="ctanalytics",
        kind="test",
        severity="info",
        score=0.0,
        started_at=now,
        ended_at=now,
        detected_at=now,
        title="TEST: ctanalytics reaches this target",
        explanation="Somebody ran `ctanalytics emit --test`. Nothing was found, there is nothing to do.",
    )
