"""What call_rate and error_rate share: series of a window, and anomalies made of what was found."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctanalytics import untrusted
from ctanalytics.detectors import insight, surges
from ctanalytics.detectors.base import Context, Window
from ctanalytics.detectors.calibration import threshold
from ctanalytics.detectors.insight import Share
from ctanalytics.detectors.series import (
    HISTORY_DAYS,
    KEYS,
    POOL_DAYS,
    WARM_DAYS,
    Expectation,
    Series,
    expect,
    silent_days,
)
from ctanalytics.detectors.surges import Surge
from ctanalytics.findings import ANOMALIES, anomaly_id, series_key

LEAST_THETA: Final = 3.0
"""However few series a lake has, one look in a thousand normal days is no page."""

_LOADED_DAYS: Final = 2 * HISTORY_DAYS + POOL_DAYS + 3 + 1
"""A day's pool reaches back 14 days, the record of each of these 28, the expectation of each of
those 28 and 3, and the longest window a day: with all of them loaded a day's result doesn't depend
on where the window starts."""

_EVIDENCE: Final = 100
_CHART_POINTS: Final = 288
_CHART_MINUTES: Final = 5


@dataclass(frozen=True)
class Rates:
    """The series of a window with their history, ready to be judged."""

    series: Series
    expectation: Expectation
    masked: npt.NDArray[np.bool_]
    first_day: int
    end_minute: int
    notes: list[str]


def load(context: Context, window: Window, statement: str) -> Rates:
    """Read minute counts of the window and of all the history that its days depend on.

    Args:
        statement: detectors/call_minutes or detectors/error_minutes.
    """
    midnight = window.since.replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - dt.timedelta(days=_LOADED_DAYS)
    days = (window.until - start) // dt.timedelta(days=1) + 1
    if window.until == start + dt.timedelta(days=days - 1):
        days -= 1
    span = {"since": start, "until": window.until}
    hours = context.engine.run("detectors/region_hours", **span)
    series = Series.from_minutes(context.engine.run(statement, **span), start, days, hours)
    masked = silent_days(series, hours, window.until)
    return Rates(
        series,
        expect(series, masked),
        masked,
        (midnight - start) // dt.timedelta(days=1),
        series.minute_of(window.until),
        _history_notes(series, window),
    )


def _history_notes(series: Series, window: Window) -> list[str]:
    """Which accounts have too little history for rates, and from when on they will have it."""
    first = dict(zip(series.keys["account_id"], series.logged_day.tolist(), strict=True))
    notes = []
    for account, day in sorted(first.items(), key=lambda item: str(item[0])):
        speaks = series.time(day * 1_440) + dt.timedelta(days=WARM_DAYS)
        sure = speaks + dt.timedelta(days=WARM_DAYS)
        if speaks > window.since:
            notes.append(
                f"account {account}: rates are judged from {speaks:%Y-%m-%d} on (a week of logs), "
                f"provisionally until {sure:%Y-%m-%d}"
            )
    return notes


def surge_theta(context: Context, rates: Rates) -> float:
    """Return the score that a surge must reach: call and error rates share one part evenly."""
    settings = context.settings
    looks = active_series(rates) * surges.LOOKS
    return max(threshold(settings.budget, settings.share_surge / 2, looks), LEAST_THETA)


def active_series(rates: Rates) -> int:
    """Return how many series had a call in the last 28 days."""
    recent = rates.series.minute >= rates.end_minute - HISTORY_DAYS * 1_440
    return max(len(np.unique(rates.series.series[recent])), 1)


@dataclass(frozen=True, slots=True)
class Api:
    """The key of a series."""

    account_id: str | None
    aws_region: str | None
    event_source: str | None
    event_name: str | None
    error_code: str | None

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


def api(series: Series, number: int) -> Api:
    """Return the key of a series."""
    return Api(**dict(zip(KEYS, series.keys.row(number), strict=True)))


@dataclass(frozen=True, slots=True)
class Kind:
    """How a detector names what it finds."""

    detector: str
    kind: str
    insight_type: str
    writes: bool
    """Whether only write calls belong to its series."""


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
    parameters = {**found.columns(), "writes": kind.writes}
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
    shares: dict[str, list[Share]] = {"userIdentityArn": [], "userAgent": [], "errorCode": []}
    for attribute, value in sorted({*usual, *counts}):
        key = (attribute, value)
        shares[attribute].append(Share(value, counts.get(key, 0), usual.get(key, 0)))
    return shares


def surge_row(
    context: Context,
    rates: Rates,
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
    who = api(rates.series, found.series)
    start, end = behind.start, behind.end
    key = series_key(*who.columns().values())
    identity = anomaly_id(kind.detector, kind.kind, key, start)
    facts = insight.Facts(
        anomaly_id=identity,
        insight_type=kind.insight_type,
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
        "evidence": json.dumps(
            {
                "event_ids": behind.event_ids,
                "events": behind.calls,
                "sql": events_sql(who, kind, start, end),
                "rate": rate(rates, found.series, found.start, found.end),
            }
        ),
        "insight": json.dumps(insight.records(facts)),
        "detected_at": context.now,
    }


def _attributed(shares: dict[str, list[Share]], kind: Kind) -> dict[str, list[Share]]:
    """An error rate names its code elsewhere, and so does not attribute it."""
    return {
        name: found
        for name, found in shares.items()
        if name != "errorCode" or kind.insight_type == "ApiCallRateInsight"
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
    if kind.writes:
        conditions.append("read_only = false")
    return "select *\nfrom events\nwhere " + "\n  and ".join(conditions) + "\norder by event_time"


def rate(rates: Rates, number: int, start: int, end: int) -> dict[str, Any]:
    """Observed and expected calls per minute around a span, in steps of at least five minutes."""
    length = max(end - start, 60)
    first = max(start - max(length, 360), 0) // _CHART_MINUTES * _CHART_MINUTES
    last = min(end + max(length, 360), rates.end_minute)
    step = _CHART_MINUTES
    while (last - first) // step > _CHART_POINTS:
        step *= 2
    edges = np.arange(first, last + 1, step)
    who = np.full(len(edges) - 1, number) if len(edges) > 1 else np.zeros(0, np.int64)
    before, through = edges[:-1] - 1, edges[1:] - 1
    observed = rates.series.calls_in(who, before, through) / step
    expected = (
        rates.expectation.through(who, through) - rates.expectation.through(who, before)
    ) / step
    return {
        "unit": "calls per minute",
        "minutes": step,
        "points": [
            [
                rates.series.time(int(edge)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                round(float(one), 6),
                round(float(other), 6),
            ]
            for edge, one, other in zip(edges[:-1], observed, expected, strict=True)
        ],
    }


def short_principal(arn: str | None) -> str:
    """Name a principal as a person would: `role deploy`, `user dora`, or the text itself."""
    text = arn or "an unknown caller"
    kind, _, name = text.rpartition(":")[2].partition("/")
    if not text.startswith("arn:") or not name:
        return untrusted.one_line(text, limit=80)
    word = {"assumed-role": "role", "federated-user": "federated user"}.get(kind, kind)
    return untrusted.one_line(f"{word} {name.rpartition('/')[2]}", limit=80)


def minutes_text(minutes: int) -> str:
    """Say a length of time in words."""
    if minutes < 120:
        return f"{minutes} minute{'s' if minutes != 1 else ''}"
    hours = minutes / 60
    if hours < 48:
        return f"{hours:.0f} hours" if minutes % 60 == 0 or hours >= 10 else f"{hours:.1f} hours"
    return f"{hours / 24:.0f} days"


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return anomalies as a table, in a fixed order."""
    ordered = sorted(rows, key=lambda row: (row["started_at"], row["kind"], row["series_key"]))
    return pa.Table.from_pylist(ordered, ANOMALIES)
