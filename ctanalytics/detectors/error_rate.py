"""error_rate: an API returns one error far more often than usual."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ctanalytics.detectors import budget, rate_rows, rates, surges
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.budget import Alarm
from ctanalytics.detectors.groups import Callers, grouped, main_callers
from ctanalytics.detectors.history import History, load
from ctanalytics.detectors.numbering import Numbering
from ctanalytics.detectors.rate_rows import Api, Kind, Span
from ctanalytics.detectors.review import review
from ctanalytics.detectors.series import Bools
from ctanalytics.detectors.severity import Impact, error_class, severity
from ctanalytics.detectors.surge_spans import Surge
from ctanalytics.detectors.wording import minutes_text, short_principal

ERRORS: Final = Kind("error_rate", "error_surge", "ApiErrorRateInsight", "errors")

_SAID: Final = {"denied": "was refused", "throttle": "was throttled"}


def error_rate(context: Context, window: Window) -> DetectorResult:
    """Find surges of one error code of one API, per account and region.

    Codes that mean "there is none" or "it would have worked" never fire.
    """
    if "errors" not in context.settings.series:
        return DetectorResult(rate_rows.table([]), notes=["detect.series leaves errors out"])
    history = load(context, window, "errors")
    if not history.count:
        return DetectorResult(
            rate_rows.table([]), context.derived.take(), ["no errors: no error rates to judge"]
        )
    share = context.settings.share_surge / 2
    looks = rates.looks([history], surges.LOOKS)
    theta = rates.thetas(context.settings.budget, share, looks)
    judged = surges.judge(history)
    could = _could_page(history)
    rates.promised(context, "error_rate", "surges", history, theta, looks)
    rates.tails(context, "errors", judged)
    found = [one for one in surges.find(judged, theta) if could[one.series]]
    dates = rates.judged_dates(history)
    alarms = [
        Alarm(history.axis.time(one.fired), one.score - rates.at_day(history, theta, one.fired))
        for one in found
    ]
    governed = budget.govern(context, "error_rate", share, dates, alarms)
    needed = budget.thetas(governed.raised, dates, theta)
    rows, callers = [], []
    for one, stands in zip(found, governed.stands, strict=True):
        if stands:
            row, caller = _anomaly(context, history, one, rates.at_day(history, needed, one.fired))
            rows.append(row)
            callers.append(caller)
    rows = grouped(rows, callers)
    rows = [row for row in rows if row["ended_at"] is None or row["ended_at"] > window.since]
    entries = review(context.derived, "errors", judged, needed + surges.margin(history), could)
    notes = [
        *rates.history_notes(history),
        *governed.notes,
        *rates.review_note("error_rate", entries),
    ]
    state = [*context.derived.take()]
    if governed.decided:
        state.append({"table": "series_budget", "rows": governed.decided})
    return DetectorResult(rate_rows.table(rows), state, notes)


def _could_page(history: History) -> Bools:
    """(series,) whether a series counts errors that mean something."""
    names = ("error_code", "event_name")
    every = history.keys.frame.select(names).to_arrow()
    distinct = Numbering.of([every], names)
    told = [
        error_class(row["error_code"], row["event_name"]) != "benign"
        for row in distinct.table().to_pylist()
    ]
    return np.array(told, np.bool_)[distinct.find(every)]


def _class(who: Api) -> str:
    return error_class(who.error_code, who.event_name)


def _refused_by(behind: Span) -> str | None:
    """The organization's policy that refused most of the calls: a guard rail at work, and no
    permission that a person lacks."""
    most = behind.most("refusedBy")
    named = most is not None and most.value != "other" and 2 * most.insight > behind.calls
    return most.value if most is not None and named else None


def _anomaly(
    context: Context, history: History, found: Surge, theta: float
) -> tuple[dict[str, Any], Callers]:
    """The anomaly of a surge, and who got most of the errors."""
    who = rate_rows.api(history, found.series)
    start, end = history.axis.time(found.start), history.axis.time(found.end)
    behind = rate_rows.span(context, who, ERRORS, start, end)
    kind = _class(who)
    most = behind.most("userIdentityArn")
    by = (
        f", {'all' if most.insight == behind.calls else 'mostly'} to {short_principal(most.value)}"
        if most
        else ""
    )
    refused_by = _refused_by(behind) if kind == "denied" else None
    impact: Impact = "denied" if kind == "denied" and refused_by is None else "read"
    loud = severity(impact, found.score - theta)
    explanation = (
        f"{who.event_name} {_SAID.get(kind, 'failed')} with {who.error_code} {behind.calls:,} times in "
        f"{minutes_text(found.end - found.start)} in {who.place}{by}"
        f"{f', by a {refused_by}' if refused_by else ''}; its most in "
        f"{minutes_text(found.window)} was {found.peak:,}, and in the 28 days before {found.record:,}."
    )
    if found.provisional:
        explanation += " There are less than two weeks of history, so this is provisional."
    title = f"{who.error_code} of {who.event_name} surged in {who.place}"
    row = rate_rows.surge_row(context, history, ERRORS, found, loud, (title, explanation), behind)
    return row, main_callers(behind.shares)
