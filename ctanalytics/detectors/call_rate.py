"""call_rate: APIs that are called far more or far less than usual, or that fall silent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from ctanalytics.detectors import budget, rate_parts, rate_rows, rates, surges
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.budget import Alarm
from ctanalytics.detectors.drops import Drop
from ctanalytics.detectors.groups import Callers, grouped, main_callers
from ctanalytics.detectors.rate_rows import Kind
from ctanalytics.detectors.rate_series import Api, RateSeries
from ctanalytics.detectors.rate_spans import Asked, Span, spans
from ctanalytics.detectors.review import review
from ctanalytics.detectors.series import Floats
from ctanalytics.detectors.severity import Impact, error_class, is_sensitive, severity
from ctanalytics.detectors.stops import Stop
from ctanalytics.detectors.stops_together import Gap
from ctanalytics.detectors.surge_spans import Surge
from ctanalytics.detectors.wording import minutes_text, short_principal
from ctanalytics.findings import anomaly_id, series_key

SURGE: Final = Kind("call_rate", "surge", "ApiCallRateInsight")
DROP: Final = Kind("call_rate", "drop", "ApiCallRateInsight")
STOP: Final = Kind("call_rate", "stop", "ApiCallRateInsight")
GAP: Final = Kind("call_rate", "telemetry_gap", "")

_NO_INSIGHT: Final = frozenset(("reads", "network"))
"""AWS has no call rate insight of these."""

_BY_PRINCIPAL: Final = "_by_principal"


@dataclass(frozen=True)
class _Found:
    """One alarm, and the threshold that its severity is measured from."""

    calls: str
    series: RateSeries
    what: Surge | Stop | Drop
    theta: float

    @property
    def alarm(self) -> Alarm:
        at = self.series.axis.time(self.what.fired)
        return Alarm(at, self.what.score - self.theta)

    @property
    def kind(self) -> Kind:
        """How it is named."""
        if isinstance(self.what, Surge):
            return _named(SURGE, self.calls)
        return _named(STOP if isinstance(self.what, Stop) else DROP, self.calls)

    @property
    def asked(self) -> Asked:
        """The calls that stand as its evidence."""
        axis, what = self.series.axis, self.what
        start, end = axis.time(what.start), axis.time(what.end)
        if isinstance(what, Stop):
            # Of a silence there is nothing to show but what came before it.
            start, end = start - (end - start), start
        return Asked(self.series.api(what.series), self.calls, start, end)


def call_rate(context: Context, window: Window) -> DetectorResult:
    """Find surges, drops and stops of calls, per account, region and API.

    Write management calls are counted; reads, data events, network activity and each principal's
    calls where the settings ask for it.
    """
    kinds = {kind: rate_parts.series(context, window, kind) for kind in _kinds(context)}
    kinds = {kind: series for kind, series in kinds.items() if series.count}
    if not kinds:
        return DetectorResult(
            rate_rows.table([]), context.derived.take(), ["no calls that count: no rates to judge"]
        )
    settings = context.settings
    every = list(kinds.values())
    looks = rates.looks(every, surges.LOOKS)
    up = rates.thetas(settings.budget, settings.share_surge / 2, looks)
    looks_down = np.sum([series.looks_down for series in every], axis=0)
    down = rates.thetas(settings.budget, settings.share_stop, looks_down)
    rates.promised(context, "call_rate", "surges", every[0], up, looks)
    rates.promised(context, "call_rate", "stops and drops", every[0], down, looks_down)
    for kind, series in kinds.items():
        rates.tails(context, kind, series.judged)
    found: list[_Found] = []
    gaps: list[tuple[RateSeries, Gap]] = []
    for kind, series in kinds.items():
        base = kind.removesuffix(_BY_PRINCIPAL)
        told = series.find(up, down)
        gaps += [(series, gap) for gap in told.gaps if _goes_on(context, series, gap)]
        for some, theta in ((told.surges, up), (told.less, down)):
            found += [
                _Found(base, series, one, rates.at_day(series, theta, one.fired)) for one in some
            ]
    dates = rates.judged_dates(every[0])
    share = settings.share_surge / 2 + settings.share_stop
    alarms = [one.alarm for one in found]
    governed = budget.govern(context, "call_rate", share, dates, alarms)
    needed = budget.thetas(governed.raised, dates, up)
    notes = [*rates.history_notes(every[0]), *governed.notes]
    notes += _reviewed(context, kinds, needed)
    standing = [
        replace(one, theta=one.theta + governed.raised.get(one.alarm.at.date(), 0.0))
        for one, stands in zip(found, governed.stands, strict=True)
        if stands
    ]
    rows = _rows(context, standing) + [_gap(context, series, gap) for series, gap in gaps]
    rows = [row for row in rows if row["ended_at"] is None or row["ended_at"] > window.since]
    state = [*context.derived.take(), *_remembered(governed.decided)]
    return DetectorResult(rate_rows.table(rows), state, notes)


def _kinds(context: Context) -> Iterator[str]:
    """Which kinds of series are judged here."""
    for name in context.settings.series:
        if name != "errors":
            yield name
            if context.settings.by_principal:
                yield name + _BY_PRINCIPAL


def _reviewed(context: Context, kinds: Mapping[str, RateSeries], theta: Floats) -> list[str]:
    """Write the lists of what is worth a look, and say how long they are."""
    entries = sum(
        review(context.derived, kind, series, theta + series.judged.margin)
        for kind, series in kinds.items()
    )
    return rates.review_note("call_rate", entries)


def _remembered(decided: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"table": "series_budget", "rows": decided}] if decided else []


def _rows(context: Context, standing: Sequence[_Found]) -> list[dict[str, Any]]:
    """The anomalies of alarms."""
    rows, callers = [], list[Callers]()
    for one, behind in zip(standing, spans(context, [one.asked for one in standing]), strict=True):
        what = one.what
        if isinstance(what, Surge):
            rows.append(_surge(context, one, what, behind))
        elif isinstance(what, Stop):
            rows.append(_stop(context, one, what, behind))
        else:
            rows.append(_drop(context, one, what, behind))
        callers.append(main_callers(behind.shares) if isinstance(what, Surge) else {})
    return grouped(rows, callers)


def _named(kind: Kind, calls: str) -> Kind:
    insight_type = "" if calls in _NO_INSIGHT else kind.insight_type
    return replace(kind, calls=calls, insight_type=insight_type)


def _surge(context: Context, one: _Found, found: Surge, behind: Span) -> dict[str, Any]:
    series = one.series
    who = series.api(found.series)
    loud = severity(_impact(who, behind, one.calls), found.score - one.theta)
    most = behind.most("userIdentityArn")
    by = (
        f", {'all' if most.insight == behind.calls else 'mostly'} by {short_principal(most.value)}"
        if most
        else ""
    )
    title = f"{who.event_name} surged in {who.place}"
    explanation = (
        f"{who.event_name} was called {behind.calls:,} times in "
        f"{minutes_text(found.end - found.start)} in {who.place}{by}; "
        f"its most in {minutes_text(found.window)} was {found.peak:,}, and in the 28 days before "
        f"{found.record:,}."
    )
    texts = (title, _with_caveats(explanation, found))
    return rate_rows.surge_row(context, series, one.kind, found, loud, texts, behind)


def _with_caveats(explanation: str, found: Surge) -> str:
    if found.level_shift:
        explanation += " It has gone on for a day: perhaps a new normal."
    if found.provisional:
        explanation += " There are less than two weeks of history, so this is provisional."
    return explanation


def _impact(who: Api, behind: Span, calls: str) -> Impact:
    ends = {"succeeded": 0, "denied": 0, "failed": 0}
    for share in behind.shares["errorCode"]:
        if share.value == "null":
            ends["succeeded"] += share.insight
        else:
            ends["denied" if error_class(share.value) == "denied" else "failed"] += share.insight
    if ends["succeeded"] * 2 < behind.calls:
        return "denied" if ends["denied"] >= ends["failed"] else "read"
    if is_sensitive(who.event_source, who.event_name):
        return "sensitive"
    return "write" if calls == "writes" else "read"


def _stop(context: Context, one: _Found, found: Stop, usual: Span) -> dict[str, Any]:
    who = one.series.api(found.series)
    caller = usual.most("userIdentityArn")
    by = f" by {short_principal(caller.value)}" if caller else ""
    explanation = (
        f"{who.event_name}{by} in {who.place} "
        f"{'has been' if found.is_open else 'was'} silent for "
        f"{minutes_text(found.end - found.start)}; in the 28 days before it never paused "
        f"for more than {minutes_text(max(found.longest, 1))}."
    )
    title = f"{who.event_name} stopped in {who.place}"
    return _less(
        context, one, (title, explanation), replace(usual, event_ids=usual.event_ids[-10:])
    )


def _drop(context: Context, one: _Found, found: Drop, during: Span) -> dict[str, Any]:
    who = one.series.api(found.series)
    explanation = (
        f"{who.event_name} in {who.place} was called {found.calls:,} times in "
        f"{minutes_text(found.window)}, where about {found.expected:,.0f} were to be "
        f"expected; that {'has gone' if found.is_open else 'went'} on for "
        f"{minutes_text(found.end - found.start)}."
    )
    title = f"{who.event_name} dropped in {who.place}"
    return _less(context, one, (title, explanation), during)


def _less(context: Context, one: _Found, texts: tuple[str, str], shown: Span) -> dict[str, Any]:
    """Make the anomaly of calls that fail to come.

    Args:
        texts: title and explanation.
        shown: the calls that stand as its evidence.
    """
    found, series, kind = one.what, one.series, one.kind
    who = series.api(found.series)
    start, end = series.axis.time(found.start), series.axis.time(found.end)
    caller = shown.most("userIdentityArn")
    return {
        **who.columns(),
        "anomaly_id": anomaly_id(kind.detector, kind.kind, who.key, start),
        "state": "open" if found.is_open else "closed",
        "revision": 1,
        "superseded_by": None,
        "detector": kind.detector,
        "kind": kind.kind,
        "severity": severity("silent", found.score - one.theta),
        "score": found.score,
        "p_value": round(10.0**-found.score, 12),
        "started_at": start,
        "ended_at": None if found.is_open else end,
        "principal_arn": caller.value if caller and caller.value != "unknown" else None,
        "series_key": who.key,
        "title": texts[0],
        "explanation": texts[1],
        "evidence": rate_rows.evidence(series, found, kind, shown),
        "insight": None,
        "detected_at": context.now,
    }


def _goes_on(context: Context, series: RateSeries, found: Gap) -> bool:
    """Whether anything at all is logged there meanwhile; else `silence` tells it, once."""
    start = series.axis.time(max(stop.start for stop in found.stops))
    end = series.axis.time(min(stop.end for stop in found.stops))
    if end <= start:
        return True
    who = series.api(found.stops[0].series)
    hours = context.engine.run("detectors/region_minutes", since=start, until=end).to_pylist()
    place = (who.account_id, who.aws_region)
    return any((row["account_id"], row["aws_region"]) == place for row in hours)


def _gap(context: Context, series: RateSeries, found: Gap) -> dict[str, Any]:
    first = min(found.stops, key=lambda stop: stop.start)
    is_open = any(stop.is_open for stop in found.stops)
    start = series.axis.time(first.start)
    end = series.axis.time(max(stop.end for stop in found.stops))
    who = series.api(first.series)
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
