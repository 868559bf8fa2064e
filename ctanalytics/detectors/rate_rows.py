"""Anomalies of call_rate and error_rate as rows: what was found, its calls, its evidence."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ctanalytics import untrusted
from ctanalytics.detectors import insight
from ctanalytics.detectors.base import Context
from ctanalytics.detectors.drops import Drop
from ctanalytics.detectors.insight import Share
from ctanalytics.detectors.rate_series import Api, RateSeries
from ctanalytics.detectors.rate_spans import Span
from ctanalytics.detectors.stops import Stop
from ctanalytics.detectors.surge_spans import Surge
from ctanalytics.findings import ANOMALIES, anomaly_id

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
class Kind:
    """How a detector names what it finds."""

    detector: str
    kind: str
    insight_type: str
    """Empty where AWS has no such insight."""
    calls: str = "writes"
    """Which calls its series count: a kind of series_minute, without `_by_principal`."""


def surge_row(
    context: Context,
    series: RateSeries,
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
    who = series.api(found.series)
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
        "evidence": evidence(series, found, kind, behind),
        "insight": json.dumps(insight.records(facts)) if kind.insight_type else None,
        "detected_at": context.now,
    }


def evidence(series: RateSeries, found: Surge | Stop | Drop, kind: Kind, behind: Span) -> str:
    """Return the evidence column: events, how to list them, when it fired, and the rate around."""
    who = series.api(found.series)
    return json.dumps(
        {
            "event_ids": behind.event_ids,
            "events": behind.calls,
            "sql": events_sql(who, kind, behind.start, behind.end),
            "fired_at": f"{series.axis.time(found.fired):%Y-%m-%dT%H:%M:%SZ}",
            "rate": series.rate(found.series, found.start, found.end),
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


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return anomalies as a table, in a fixed order."""
    ordered = sorted(rows, key=lambda row: (row["started_at"], row["kind"], row["series_key"]))
    return pa.Table.from_pylist(ordered, ANOMALIES)
