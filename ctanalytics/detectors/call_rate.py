"""call_rate: APIs that are called far more or far less than usual, or that fall silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from ctanalytics.detectors import budget, drops, rate_rows, rates, stops, surges
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.budget import Alarm
from ctanalytics.detectors.drops import Drop
from ctanalytics.detectors.groups import Callers, grouped, main_callers
from ctanalytics.detectors.history import History, load
from ctanalytics.detectors.rate_rows import Kind, Span
from ctanalytics.detectors.review import review
from ctanalytics.detectors.series import Floats, Ints
from ctanalytics.detectors.severity import Impact, error_class, is_sensitive, severity
from ctanalytics.detectors.stops import Gap, Silences, Stop
from ctanalytics.detectors.surge_spans import Surge
from ctanalytics.detectors.surges import Judged
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
    history: History
    what: Surge | Stop | Drop
    theta: float

    @property
    def alarm(self) -> Alarm:
        at = self.history.axis.time(self.what.fired)
        return Alarm(at, self.what.score - self.theta)


def call_rate(context: Context, window: Window) -> DetectorResult:
    """Find surges, drops and stops of calls, per account, region and API.

    Write management calls are counted; reads, data events, network activity and each principal's
    calls where the settings ask for it.
    """
    histories = {kind: load(context, window, kind) for kind in _kinds(context)}
    histories = {kind: history for kind, history in histories.items() if history.count}
    if not histories:
        return DetectorResult(
            rate_rows.table([]), context.derived.take(), ["no calls that count: no rates to judge"]
        )
    settings = context.settings
    every = list(histories.values())
    looks = rates.looks(every, surges.LOOKS)
    up = rates.thetas(settings.budget, settings.share_surge / 2, looks)
    fewer = {kind: Fewer.of(history) for kind, history in histories.items()}
    looks_down = np.sum([one.looks for one in fewer.values()], axis=0)
    down = rates.thetas(settings.budget, settings.share_stop, looks_down)
    judged = {kind: surges.judge(history) for kind, history in histories.items()}
    rates.promised(context, "call_rate", "surges", every[0], up, looks)
    rates.promised(context, "call_rate", "stops and drops", every[0], down, looks_down)
    for kind, one in judged.items():
        rates.tails(context, kind, one)
    found: list[_Found] = []
    gaps: list[tuple[History, Gap]] = []
    for kind, history in histories.items():
        base = kind.removesuffix(_BY_PRINCIPAL)
        for surge in surges.find(judged[kind], up):
            theta = rates.at_day(history, up, surge.fired)
            found.append(_Found(base, history, surge, theta))
        alone, missing = fewer[kind].find(history, down)
        gaps += [(history, gap) for gap in missing if _goes_on(context, history, gap)]
        for less in alone:
            theta = rates.at_day(history, down, less.fired)
            found.append(_Found(base, history, less, theta))
    governed = budget.govern(
        context,
        "call_rate",
        settings.share_surge / 2 + settings.share_stop,
        rates.judged_dates(every[0]),
        [one.alarm for one in found],
    )
    dates = rates.judged_dates(every[0])
    needed = budget.thetas(governed.raised, dates, up)
    notes = [*rates.history_notes(every[0]), *governed.notes]
    notes += _reviewed(context, judged, needed)
    rows, callers = [], []
    for alarm in _standing(found, governed.stands):
        raised = governed.raised.get(alarm.alarm.at.date(), 0.0)
        row, caller = _row(context, replace(alarm, theta=alarm.theta + raised))
        rows.append(row)
        callers.append(caller)
    rows = grouped(rows, callers) + [_gap(context, history, gap) for history, gap in gaps]
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


@dataclass(frozen=True)
class Fewer:
    """What stops and drops of a kind of series are judged by."""

    known: Silences
    own: list[drops.Own]
    looks: Ints
    """Of each day to judge: series that can stop, and those that can drop in each window."""

    @classmethod
    def of(cls, history: History) -> Fewer:
        """Take it from a history."""
        known = stops.silences(history)
        own = drops.owns(history, known)
        return cls(known, own, stops.judged(history, known) + drops.judged(history, own))

    def find(self, history: History, theta: Floats) -> tuple[list[Stop | Drop], list[Gap]]:
        """Return stops and drops of series by themselves, and of many at once."""
        silent = stops.find(history, theta, self.known)
        alone, gaps = stops.together(history, silent, self.known)
        slow = [drop for drop in drops.find(history, theta, self.own) if _is_slow(drop, silent)]
        return [*alone, *slow], gaps


def _reviewed(context: Context, judged: dict[str, Judged], theta: Floats) -> list[str]:
    """Write the lists of what is worth a look, and say how long they are."""
    entries = 0
    for kind, one in judged.items():
        needed = theta + surges.margin(one.history)
        every = np.ones(one.history.count, np.bool_)
        entries += review(context.derived, kind, one, needed, every)
    return rates.review_note("call_rate", entries)


def _remembered(decided: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"table": "series_budget", "rows": decided}] if decided else []


def _standing(found: list[_Found], stands: list[bool]) -> Iterator[_Found]:
    for one, good in zip(found, stands, strict=True):
        if good:
            yield one


def _row(context: Context, one: _Found) -> tuple[dict[str, Any], Callers]:
    """The anomaly of an alarm, and who made most of its calls."""
    what = one.what
    if isinstance(what, Surge):
        return _surge(context, one, what)
    if isinstance(what, Stop):
        return _stop(context, one, what), {}
    return _drop(context, one, what), {}


def _named(kind: Kind, calls: str) -> Kind:
    insight_type = "" if calls in _NO_INSIGHT else kind.insight_type
    return replace(kind, calls=calls, insight_type=insight_type)


def _surge(context: Context, one: _Found, found: Surge) -> tuple[dict[str, Any], Callers]:
    history, kind = one.history, _named(SURGE, one.calls)
    who = rate_rows.api(history, found.series)
    start, end = history.axis.time(found.start), history.axis.time(found.end)
    behind = rate_rows.span(context, who, kind, start, end)
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
    row = rate_rows.surge_row(context, history, kind, found, loud, texts, behind)
    return row, main_callers(behind.shares)


def _with_caveats(explanation: str, found: Surge) -> str:
    if found.level_shift:
        explanation += " It has gone on for a day: perhaps a new normal."
    if found.provisional:
        explanation += " There are less than two weeks of history, so this is provisional."
    return explanation


def _impact(who: rate_rows.Api, behind: Span, calls: str) -> Impact:
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


def _stop(context: Context, one: _Found, found: Stop) -> dict[str, Any]:
    history, kind = one.history, _named(STOP, one.calls)
    who = rate_rows.api(history, found.series)
    start, end = history.axis.time(found.start), history.axis.time(found.end)
    # Of a silence there is nothing to show but what came before it.
    usual = rate_rows.span(context, who, kind, start - (end - start), start)
    caller = usual.most("userIdentityArn")
    by = f" by {short_principal(caller.value)}" if caller else ""
    explanation = (
        f"{who.event_name}{by} in {who.place} "
        f"{'has been' if found.is_open else 'was'} silent for "
        f"{minutes_text(found.end - found.start)}; in the 28 days before it never paused "
        f"for more than {minutes_text(max(found.longest, 1))}."
    )
    title = f"{who.event_name} stopped in {who.place}"
    usual = replace(usual, event_ids=usual.event_ids[-10:])
    return _less(context, one, kind, (title, explanation), usual)


def _drop(context: Context, one: _Found, found: Drop) -> dict[str, Any]:
    history, kind = one.history, _named(DROP, one.calls)
    who = rate_rows.api(history, found.series)
    start, end = history.axis.time(found.start), history.axis.time(found.end)
    explanation = (
        f"{who.event_name} in {who.place} was called {found.calls:,} times in "
        f"{minutes_text(found.window)}, where about {found.expected:,.0f} were to be "
        f"expected; that {'has gone' if found.is_open else 'went'} on for "
        f"{minutes_text(found.end - found.start)}."
    )
    title = f"{who.event_name} dropped in {who.place}"
    during = rate_rows.span(context, who, kind, start, end)
    return _less(context, one, kind, (title, explanation), during)


def _less(
    context: Context, one: _Found, kind: Kind, texts: tuple[str, str], shown: Span
) -> dict[str, Any]:
    """Make the anomaly of calls that fail to come.

    Args:
        texts: title and explanation.
        shown: the calls that stand as its evidence.
    """
    found, history = one.what, one.history
    who = rate_rows.api(history, found.series)
    start, end = history.axis.time(found.start), history.axis.time(found.end)
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
        "evidence": rate_rows.evidence(history, found, kind, shown),
        "insight": None,
        "detected_at": context.now,
    }


def _goes_on(context: Context, history: History, found: Gap) -> bool:
    """Whether anything at all is logged there meanwhile; else `silence` tells it, once."""
    start = history.axis.time(max(stop.start for stop in found.stops))
    end = history.axis.time(min(stop.end for stop in found.stops))
    if end <= start:
        return True
    who = rate_rows.api(history, found.stops[0].series)
    hours = context.engine.run("detectors/region_minutes", since=start, until=end).to_pylist()
    place = (who.account_id, who.aws_region)
    return any((row["account_id"], row["aws_region"]) == place for row in hours)


def _is_slow(drop: Drop, silent: list[Stop]) -> bool:
    """Whether a drop is not the beginning or a part of a silence that is told already."""
    return not any(
        stop.series == drop.series and drop.start < stop.end and stop.start < drop.end
        for stop in silent
    )


def _gap(context: Context, history: History, found: Gap) -> dict[str, Any]:
    first = min(found.stops, key=lambda stop: stop.start)
    is_open = any(stop.is_open for stop in found.stops)
    start = history.axis.time(first.start)
    end = history.axis.time(max(stop.end for stop in found.stops))
    who = rate_rows.api(history, first.series)
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
