"""What a lake has of the accounts that are audited, and where findings are kept."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ctanalytics.lake.lake import Lake
from ctanalytics.posture.narrowing import weakens
from ctanalytics.posture.seen import Seen, SeenClass, Tampering
from ctanalytics.records.posture import POSTURE_FINDINGS, Finding


@dataclass(frozen=True)
class Seens:
    """What a lake has, by account."""

    by_account: Mapping[str, Seen]

    def of(self, account_id: str) -> Seen | None:
        """What it has of one account; nothing at all when the lake has no events of any."""
        if not self.by_account:
            return None
        span = next(iter(self.by_account.values()))
        return self.by_account.get(account_id) or Seen(span.since, span.until, (), ())


def seen_of(lake: Lake, *, days: int) -> Seens:
    """Read what a lake has of the days before its newest event."""
    with lake.engine() as engine:
        day = engine.run("reporting/lake_span").to_pylist()[0]["last_date"]
        if day is None:
            return Seens({})
        start = dt.datetime.combine(day, dt.time(), dt.UTC)
        newest = engine.run("detect/newest_event", since=start, until=start + dt.timedelta(days=1))
        last = newest.to_pylist()[0]["newest_event"]
        until = last + dt.timedelta(seconds=1)
        since = until - dt.timedelta(days=days)
        classes = engine.run("audit/seen", since=since, until=until).to_pylist()
        calls = engine.run("audit/trail_calls", since=since, until=until).to_pylist()
    by_class: dict[str, list[SeenClass]] = defaultdict(list)
    for row in classes:
        by_class[row["account_id"]].append(_class(row))
    by_call: dict[str, list[Tampering]] = defaultdict(list)
    for row in calls:
        if weakens(row["event_name"], row["request"]):
            by_call[row["account_id"]].append(_call(row))
    return Seens(
        {
            account: Seen(since, last, tuple(by_class[account]), tuple(by_call[account]))
            for account in {*by_class, *by_call}
        }
    )


def _class(row: Mapping[str, Any]) -> SeenClass:
    return SeenClass(
        aws_region=row["aws_region"],
        category=row["category"],
        resource_type=row["resource_type"],
        event_source=row["event_source"],
        write=not row["read_only"],
        events=row["events"],
        first=row["first_event"],
        last=row["last_event"],
    )


def _call(row: Mapping[str, Any]) -> Tampering:
    try:
        request = json.loads(row["request"] or "{}")
    except (ValueError, RecursionError):
        request = {}
    if not isinstance(request, dict):
        request = {}  # of a log anybody's call may hold anything
    target = request.get("name") or request.get("trailName") or request.get("eventDataStore")
    return Tampering(
        event_time=row["event_time"],
        event_id=row["event_id"],
        event_name=row["event_name"],
        principal=row["principal"] or "somebody",
        target=str(target or ""),
        succeeded=row["succeeded"],
    )


def keep(lake: Lake, audit_id: str, findings: Sequence[Finding]) -> None:
    """Add an audit's findings to the lake, all in one commit."""
    rows = [
        {
            "audit_id": audit_id,
            "audited_at": one.audited_at,
            "finding_id": one.finding_id,
            "check_id": one.check_id,
            "status": one.status,
            "severity": one.severity,
            "account_id": one.account_id,
            "aws_region": one.aws_region or None,
            "resource": one.resource,
            "title": one.title,
            "explanation": one.explanation,
            "evidence": json.dumps(one.evidence, sort_keys=True, default=str),
            "reads": list(one.reads),
            "missing": list(one.missing),
        }
        for one in findings
    ]
    lake.append("posture_findings", pa.Table.from_pylist(rows, POSTURE_FINDINGS))
