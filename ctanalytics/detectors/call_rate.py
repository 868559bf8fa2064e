"""call_rate: write APIs that are called far more or far less than usual, or that fall silent."""

from __future__ import annotations

import json
from typing import Any, Final

from ctanalytics.detectors import drops, rates, stops, surges
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.calibration import threshold
from ctanalytics.detectors.drops import Drop
from ctanalytics.detectors.rates import Kind, Rates, Span
from ctanalytics.detectors.severity import Impact, error_class, is_sensitive, severity
from ctanalytics.detectors.stops import Gap, Stop
from ctanalytics.detectors.surges import Surge
from ctanalytics.findings import anomaly_id, series_key

SURGE: Final = Kind("call_rate", "surge", "ApiCallRateInsight", writes=True)
DROP: Final = Kind("call_rate", "drop", "ApiCallRateInsight", writes=True)
STOP: Final = Kind("call_rate", "stop", "ApiCallRateInsight", writes=True)
GAP: Final = Kind("call_rate", "telemetry_gap", "", writes=False)


def call_rate(context: Context, window: Window) -> DetectorResult:
    """Find surges, drops and stops of write management calls, per account, region and API."""
    loaded = rates.load(context, window, "detectors/call_minutes")
    if not loaded.series.count:
        return DetectorResult(rates.table([]), notes=["no write calls: no call rates to judge"])
    theta = rates.surge_theta(context, loaded)
    found = surges.find(
        loaded.series,
        loaded.expectation,
        loaded.masked,
        first_day=loaded.first_day,
        end_minute=loaded.end_minute,
        theta=theta,
    )
    rows = [_surge(context, loaded, surge, theta) for surge in found]
    settings = context.settings
    looks = rates.active_series(loaded) * (stops.LOOKS + drops.LOOKS)
    stop_theta = max(threshold(settings.budget, settings.share_stop, looks), rates.LEAST_THETA)
    silent = stops.find(
        loaded.series,
        loaded.masked,
        first_day=loaded.first_day,
        end_minute=loaded.end_minute,
        theta=stop_theta,
    )
    alone, gaps = stops.together(loaded.series, silent, loaded.masked, loaded.end_minute)
    rows += [_stop(context, loaded, stop, stop_theta) for stop in alone]
    rows += [_gap(context, loaded, gap) for gap in gaps if _goes_on(context, loaded, gap)]
    slow = drops.find(
        loaded.series,
        loaded.expectation,
        loaded.masked,
        first_day=loaded.first_day,
        end_minute=loaded.end_minute,
        theta=stop_theta,
    )
    rows += [_drop(context, loaded, drop, stop_theta) for drop in slow if _is_slow(drop, silent)]
    since = window.since
    rows = [row for row in rows if row["ended_at"] is None or row["ended_at"] > since]
    return DetectorResult(rates.table(rows), notes=loaded.notes)


def _surge(context: Context, loaded: Rates, found: Surge, theta: float) -> dict[str, Any]:
    who = rates.api(loaded.series, found.series)
    start, end = loaded.series.time(found.start), loaded.series.time(found.end)
    behind = rates.span(context, who, SURGE, start, end)
    loud = severity(_impact(who.event_source, who.event_name, behind), found.score - theta)
    most = behind.most("userIdentityArn")
    by = (
        f", {'all' if most.insight == behind.calls else 'mostly'} by {rates.short_principal(most.value)}"
        if most
        else ""
    )
    title = f"{who.event_name} surged in {who.place}"
    explanation = (
        f"{who.event_name} was called {behind.calls:,} times in "
        f"{rates.minutes_text(found.end - found.start)} in {who.place}{by}; "
        f"its most in {rates.minutes_text(found.window)} was {found.peak:,}, and in the 28 days before "
        f"{found.record:,}."
    )
    return rates.surge_row(
        context, loaded, SURGE, found, loud, (title, _with_caveats(explanation, found)), behind
    )


def _with_caveats(explanation: str, found: Surge) -> str:
    if found.level_shift:
        explanation += " It has gone on for a day: perhaps a new normal."
    if found.provisional:
        explanation += " There are less than two weeks of history, so this is provisional."
    return explanation


def _impact(event_source: str | None, event_name: str | None, behind: Span) -> Impact:
    ends = {"succeeded": 0, "denied": 0, "failed": 0}
    for share in behind.shares["errorCode"]:
        if share.value == "null":
            ends["succeeded"] += share.insight
        else:
            ends["denied" if error_class(share.value) == "denied" else "failed"] += share.insight
    if ends["succeeded"] * 2 < behind.calls:
        return "denied" if ends["denied"] >= ends["failed"] else "read"
    return "sensitive" if is_sensitive(event_source, event_name) else "write"


def _stop(context: Context, loaded: Rates, found: Stop, theta: float) -> dict[str, Any]:
    who = rates.api(loaded.series, found.series)
    start, end = loaded.series.time(found.start), loaded.series.time(found.end)
    # Of a silence there is nothing to show but what came before it.
    usual = rates.span(context, who, STOP, start - (end - start), start)
    caller = usual.most("userIdentityArn")
    by = f" by {rates.short_principal(caller.value)}" if caller else ""
    explanation = (
        f"{who.event_name}{by} in {who.place} "
        f"{'has been' if found.is_open else 'was'} silent for "
        f"{rates.minutes_text(found.end - found.start)}; in the 28 days before it never paused "
        f"for more than {rates.minutes_text(max(found.longest, 1))}."
    )
    title = f"{who.event_name} stopped in {who.place}"
    return _less(context, loaded, STOP, found, theta, (title, explanation), usual)


def _drop(context: Context, loaded: Rates, found: Drop, theta: float) -> dict[str, Any]:
    who = rates.api(loaded.series, found.series)
    start, end = loaded.series.time(found.start), loaded.series.time(found.end)
    explanation = (
        f"{who.event_name} in {who.place} was called {found.calls:,} times in "
        f"{rates.minutes_text(found.window)}, where about {found.expected:,.0f} were to be "
        f"expected; that {'has gone' if found.is_open else 'went'} on for "
        f"{rates.minutes_text(found.end - found.start)}."
    )
    title = f"{who.event_name} dropped in {who.place}"
    during = rates.span(context, who, DROP, start, end)
    return _less(context, loaded, DROP, found, theta, (title, explanation), during)


def _less(
    context: Context,
    loaded: Rates,
    kind: Kind,
    found: Stop | Drop,
    theta: float,
    texts: tuple[str, str],
    shown: Span,
) -> dict[str, Any]:
    """Make the anomaly of calls that fail to come.

    Args:
        texts: title and explanation.
        shown: the calls that stand as its evidence.
    """
    who = rates.api(loaded.series, found.series)
    start, end = loaded.series.time(found.start), loaded.series.time(found.end)
    key = series_key(*who.columns().values())
    caller = shown.most("userIdentityArn")
    return {
        **who.columns(),
        "anomaly_id": anomaly_id(kind.detector, kind.kind, key, start),
        "state": "open" if found.is_open else "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": kind.detector,
        "kind": kind.kind,
        "severity": severity("silent", found.score - theta),
        "score": found.score,
        "p_value": round(10.0**-found.score, 12),
        "started_at": start,
        "ended_at": None if found.is_open else end,
        "principal_arn": caller.value if caller and caller.value != "unknown" else None,
        "series_key": key,
        "title": texts[0],
        "explanation": texts[1],
        "evidence": json.dumps(
            {
                "event_ids": shown.event_ids[-10:] if kind is STOP else shown.event_ids,
                "events": shown.calls,
                "sql": rates.events_sql(who, kind, shown.start, shown.end),
                "rate": rates.rate(loaded, found.series, found.start, found.end),
            }
        ),
        "insight": None,
        "detected_at": context.now,
    }


def _goes_on(context: Context, loaded: Rates, found: Gap) -> bool:
    """Whether anything at all is logged there meanwhile; else `silence` tells it, once."""
    start = loaded.series.time(max(stop.start for stop in found.stops))
    end = loaded.series.time(min(stop.end for stop in found.stops))
    if end <= start:
        return True
    who = rates.api(loaded.series, found.stops[0].series)
    hours = context.engine.run("detectors/region_hours", since=start, until=end).to_pylist()
    place = (who.account_id, who.aws_region)
    return any((row["account_id"], row["aws_region"]) == place for row in hours)


def _is_slow(drop: Drop, silent: list[Stop]) -> bool:
    """Whether a drop is not the beginning or a part of a silence that is told already."""
    return not any(
        stop.series == drop.series and drop.start < stop.end and stop.start < drop.end
        for stop in silent
    )


def _gap(context: Context, loaded: Rates, found: Gap) -> dict[str, Any]:
    first = min(found.stops, key=lambda stop: stop.start)
    is_open = any(stop.is_open for stop in found.stops)
    start = loaded.series.time(first.start)
    end = loaded.series.time(max(stop.end for stop in found.stops))
    who = rates.api(loaded.series, first.series)
    key = series_key("gap", who.account_id, who.aws_region)
    return {
        "anomaly_id": anomaly_id(GAP.detector, GAP.kind, key, start),
        "state": "open" if is_open else "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": GAP.detector,
        "kind": GAP.kind,
        "severity": "high",
        "score": max(stop.score for stop in found.stops),
        "p_value": None,
        "started_at": start,
        "ended_at": None if is_open else end,
        "account_id": who.account_id,
        "aws_region": who.aws_region,
        "event_source": None,
        "event_name": None,
        "error_code": None,
        "principal_arn": None,
        "series_key": key,
        "title": f"logs or service missing in {who.place}",
        "explanation": (
            f"{len(found.stops)} of {found.eligible} steady series of {who.place} fell silent "
            f"together from {start:%Y-%m-%d %H:%M} on: look for StopLogging, a delivery fault or an "
            "outage before anything else."
        ),
        "evidence": json.dumps(
            {
                "event_ids": [],
                "events": 0,
                "sql": (
                    "select *\nfrom events\n"
                    "where event_source = 'cloudtrail.amazonaws.com'\n"
                    "  and read_only = false\n"
                    f"  and event_date >= date '{start:%Y-%m-%d}' - 1\n"
                    f"  and event_date <= date '{end:%Y-%m-%d}'\n"
                    "order by event_time"
                ),
            }
        ),
        "insight": None,
        "detected_at": context.now,
    }
