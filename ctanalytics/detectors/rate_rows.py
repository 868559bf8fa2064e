"""Anomalies of call_rate and error_rate as rows: what was found, its calls, its evidence."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from ctanalytics import untrusted
from ctanalytics.detectors import insight
from ctanalytics.detectors.base import Context
from ctanalytics.detectors.drops import Drop
from ctanalytics.detectors.history import History
from ctanalytics.detectors.insight import Share
from ctanalytics.detectors.series import DAY
from ctanalytics.detectors.stops import Stop
from ctanalytics.detectors.surge_spans import Surge
from ctanalytics.findings import ANOMALIES, anomaly_id, series_key

_EVIDENCE: Final = 100
_CHART_POINTS: Final = 288
_CHART_MINUTES: Final = 5
_OWN_ATTRIBUTES: Final = ("accessKeyId", "sourceIPAddress", "refusedBy")
"""What is counted beside the attributions of AWS's records."""

_MANAGEMENT: Final = "coalesce(management_event, event_category = 'Management', true)"
_CONDITIONS: Final = {
    "writes": (_MANAGEMENT, "read_only = false"),
    "reads": (_MANAGEMENT, "read_only"),
    "errors": (_MANAGEMENT,),
    "data": ("event_category = 'Data'",),
    "network": ("event_category = 'NetworkActivity'",),
}
"""By kind of series, which events belong to it."""


@dataclass(frozen=True, slots=True)
class Api:
    """The key of a series."""

    account_id: str | None
    aws_region: str | None
    event_source: str | None
    event_name: str | None
    error_code: str | None
    principal_arn: str | None = None
    """Only of series that are counted by principal."""

    @property
    def place(self) -> str:
        """Account and region, for a sentence."""
        return f"{self.account_id or 'an unknown account'} {self.aws_region or ''}".strip()

    def columns(self) -> dict[str, str | None]:
        """The key as columns of an anomaly, and as parameters of statements."""
        return {
            "account_id": self.account_id,
            "aws_region": self.aws_region,
            "event_source": self.event_source,
            "event_name": self.event_name,
            "error_code": self.error_code,
        }

    @property
    def key(self) -> str:
        """What an anomaly's series_key says."""
        by = () if self.principal_arn is None else (self.principal_arn,)
        return series_key(*self.columns().values(), *by)


def api(history: History, number: int) -> Api:
    """Return the key of a series."""
    return Api(**history.keys.key(number))


@dataclass(frozen=True, slots=True)
class Kind:
    """How a detector names what it finds."""

    detector: str
    kind: str
    insight_type: str
    """Empty where AWS has no such insight."""
    calls: str = "writes"
    """Which calls its series count: a kind of series_minute, without `_by_principal`."""


@dataclass(frozen=True)
class Span:
    """An anomaly's calls: who made them, which events they are."""

    start: dt.datetime
    end: dt.datetime
    calls: int
    event_ids: list[str]
    shares: dict[str, list[Share]]
    first_shares: dict[str, list[Share]]
    """Of the first five minutes."""

    def most(self, attribute: str) -> Share | None:
        """The value with the most calls beyond its usual."""
        return max(self.shares.get(attribute, []), key=lambda share: share.insight, default=None)


def span(context: Context, found: Api, kind: Kind, start: dt.datetime, end: dt.datetime) -> Span:
    """Read who and what stands behind the calls of a span, against the seven days before."""
    parameters = {
        **found.columns(),
        "principal_arn": found.principal_arn,
        "kind": kind.calls,
    }
    now = context.engine.run("detectors/attribution", since=start, until=end, **parameters)
    before = context.engine.run(
        "detectors/attribution", since=insight.baseline_start(start), until=start, **parameters
    )
    ids = context.engine.run(
        "detectors/evidence", since=start, until=end, limit=_EVIDENCE, **parameters
    )
    first = context.engine.run(
        "detectors/attribution",
        since=start,
        until=start + dt.timedelta(minutes=insight.START_MINUTES),
        **parameters,
    )
    shares = _shares(now, before)
    calls = sum(share.insight for share in shares["errorCode"])
    return Span(start, end, calls, ids["event_id"].to_pylist(), shares, _shares(first, before))


def _shares(now: pa.Table, before: pa.Table) -> dict[str, list[Share]]:
    counts, usual = (
        {(row["attribute"], row["value"]): row["calls"] for row in table.to_pylist()}
        for table in (now, before)
    )
    shares: dict[str, list[Share]] = {name: [] for name in (*insight.ATTRIBUTES, *_OWN_ATTRIBUTES)}
    for attribute, value in sorted({*usual, *counts}):
        key = (attribute, value)
        shares[attribute].append(Share(value, counts.get(key, 0), usual.get(key, 0)))
    return shares


def surge_row(
    context: Context,
    history: History,
    kind: Kind,
    found: Surge,
    severity: str,
    texts: tuple[str, str],
    behind: Span,
) -> dict[str, Any]:
    """Make the anomaly of a surge.

    Args:
        texts: title and explanation.
    """
    who = api(history, found.series)
    start, end, key = behind.start, behind.end, who.key
    identity = anomaly_id(kind.detector, kind.kind, key, start)
    facts = insight.Facts(
        anomaly_id=identity,
        insight_type=kind.insight_type,
        category="Data" if kind.calls == "data" else "Management",
        start=start,
        end=None if found.is_open else end,
        attributions=_attributed(behind.shares, kind),
        start_attributions=_attributed(behind.first_shares, kind),
        start_calls=sum(share.insight for share in behind.first_shares["errorCode"]),
        calls=behind.calls,
        baseline_calls=sum(share.baseline for share in behind.shares["errorCode"]),
        **who.columns(),
    )
    principal = behind.most("userIdentityArn")
    return {
        **who.columns(),
        "anomaly_id": identity,
        "state": "open" if found.is_open else "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": kind.detector,
        "kind": kind.kind,
        "severity": severity,
        "score": found.score,
        "p_value": round(10.0**-found.score, 12),
        "started_at": start,
        "ended_at": None if found.is_open else end,
        "principal_arn": principal.value if principal and principal.value != "unknown" else None,
        "series_key": key,
        "title": texts[0],
        "explanation": texts[1],
        "evidence": evidence(history, found, kind, behind),
        "insight": json.dumps(insight.records(facts)) if kind.insight_type else None,
        "detected_at": context.now,
    }


def evidence(history: History, found: Surge | Stop | Drop, kind: Kind, behind: Span) -> str:
    """Return the evidence column: events, how to list them, when it fired, and the rate around."""
    who = api(history, found.series)
    return json.dumps(
        {
            "event_ids": behind.event_ids,
            "events": behind.calls,
            "sql": events_sql(who, kind, behind.start, behind.end),
            "fired_at": f"{history.axis.time(found.fired):%Y-%m-%dT%H:%M:%SZ}",
            "rate": rate(history, found.series, found.start, found.end),
        }
    )


def _attributed(shares: dict[str, list[Share]], kind: Kind) -> dict[str, list[Share]]:
    """An error rate names its code elsewhere, and so does not attribute it."""
    return {
        name: found
        for name, found in shares.items()
        if name in insight.ATTRIBUTES
        and (name != "errorCode" or kind.insight_type == "ApiCallRateInsight")
    }


def events_sql(found: Api, kind: Kind, start: dt.datetime, end: dt.datetime) -> str:
    """Return a statement over the views that lists all events of a span."""
    last = end - dt.timedelta(microseconds=1)
    conditions = [
        f"event_date >= date '{start:%Y-%m-%d}'",
        f"event_date <= date '{last:%Y-%m-%d}'",
        f"event_time >= timestamptz '{start:%Y-%m-%d %H:%M:%S+00}'",
        f"event_time < timestamptz '{end:%Y-%m-%d %H:%M:%S+00}'",
    ]
    for column in ("account_id", "aws_region", "event_source", "event_name"):
        value = found.columns()[column]
        quoted = "null" if value is None else untrusted.sql_text(value.replace("\x00", ""))
        conditions.append(f"{column} is not distinct from {quoted}")
    if found.error_code is not None:
        quoted = untrusted.sql_text(found.error_code.replace("\x00", ""))
        conditions.append(f"coalesce(error_code, error_message) = {quoted}")
    if found.principal_arn is not None:
        quoted = untrusted.sql_text(found.principal_arn.replace("\x00", ""))
        conditions.append(f"principal_arn = {quoted}")
    conditions += _CONDITIONS[kind.calls]
    return "select *\nfrom events\nwhere " + "\n  and ".join(conditions) + "\norder by event_time"


def rate(history: History, number: int, start: int, end: int) -> dict[str, Any]:
    """Observed and expected calls per minute around a span, in steps of at least five minutes."""
    length = max(end - start, 60)
    begin = (history.first_day - 1) * DAY
    first = max(start - max(length, 360), begin) // _CHART_MINUTES * _CHART_MINUTES
    last = min(end + max(length, 360), history.end_minute)
    step = _CHART_MINUTES
    while (last - first) // step > _CHART_POINTS:
        step *= 2
    part = history.of(np.array([number]))
    minutes = part.minutes(history.first_day - 2, history.axis.days)
    expectation = part.expected(history.first_day - 1, history.axis.days)
    edges = np.arange(first, last + 1, step)
    who = np.zeros(max(len(edges) - 1, 0), np.int64)
    before, through = edges[:-1] - 1, edges[1:] - 1
    observed = minutes.calls_in(who, before, through) / step
    expected = (expectation.through(who, through) - expectation.through(who, before)) / step
    return {
        "unit": "calls per minute",
        "minutes": step,
        "points": [
            [
                history.axis.time(int(edge)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                round(float(one), 6),
                round(float(other), 6),
            ]
            for edge, one, other in zip(edges[:-1], observed, expected, strict=True)
        ],
    }


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return anomalies as a table, in a fixed order."""
    ordered = sorted(rows, key=lambda row: (row["started_at"], row["kind"], row["series_key"]))
    return pa.Table.from_pylist(ordered, ANOMALIES)
