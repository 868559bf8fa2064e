"""error_rate: an API returns one error far more often than usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ctanalytics.detectors import budget, rate_parts, rate_rows, rates, surges
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.budget import Alarm
from ctanalytics.detectors.groups import grouped, main_callers
from ctanalytics.detectors.rate_rows import Kind
from ctanalytics.detectors.rate_series import Api, RateSeries
from ctanalytics.detectors.rate_spans import Asked, Span, spans
from ctanalytics.detectors.review import review
from ctanalytics.detectors.series import Floats
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
    series = rate_parts.series(context, window, "errors", with_fewer=False)
    if not series.count:
        return DetectorResult(
            rate_rows.table([]), context.derived.take(), ["no errors: no error rates to judge"]
        )
    share = context.settings.share_surge / 2
    looks = rates.looks([series], surges.LOOKS)
    theta = rates.thetas(context.settings.budget, share, looks)
    rates.promised(context, "error_rate", "surges", series, theta, looks)
    rates.tails(context, "errors", series.judged)
    could = series.could
    found = [one for one in series.find(theta, None).surges if could[one.series]]
    dates = rates.judged_dates(series)
    alarms = [
        Alarm(series.axis.time(one.fired), one.score - rates.at_day(series, theta, one.fired))
        for one in found
    ]
    governed = budget.govern(context, "error_rate", share, dates, alarms)
    needed = budget.thetas(governed.raised, dates, theta)
    standing = [one for one, stands in zip(found, governed.stands, strict=True) if stands]
    rows = _rows(context, series, standing, needed)
    rows = [row for row in rows if row["ended_at"] is None or row["ended_at"] > window.since]
    entries = review(context.derived, "errors", series, needed + series.judged.margin)
    notes = [
        *rates.history_notes(series),
        *governed.notes,
        *rates.review_note("error_rate", entries),
    ]
    state = [*context.derived.take()]
    if governed.decided:
        state.append({"table": "series_budget", "rows": governed.decided})
    return DetectorResult(rate_rows.table(rows), state, notes)


def _rows(
    context: Context, series: RateSeries, standing: Sequence[Surge], needed: Floats
) -> list[dict[str, Any]]:
    """The anomalies of surges."""
    times = [(series.axis.time(one.start), series.axis.time(one.end)) for one in standing]
    asked = [
        Asked(series.api(one.series), ERRORS.calls, *span)
        for one, span in zip(standing, times, strict=True)
    ]
    behind = spans(context, asked)
    rows = [
        _anomaly(context, series, one, rates.at_day(series, needed, one.fired), span)
        for one, span in zip(standing, behind, strict=True)
    ]
    return grouped(rows, [main_callers(span.shares) for span in behind])


def _class(who: Api) -> str:
    return error_class(who.error_code, who.event_name)


def _refused_by(behind: Span) -> str | None:
    """The organization's policy that refused most of the calls: a guard rail at work, and no
    permission that a person lacks."""
    most = behind.most("refusedBy")
    named = most is not None and most.value != "other" and 2 * most.insight > behind.calls
    return most.value if most is not None and named else None


def _anomaly(
    context: Context, series: RateSeries, found: Surge, theta: float, behind: Span
) -> dict[str, Any]:
    """The anomaly of a surge."""
    who = series.api(found.series)
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
    return rate_rows.surge_row(context, series, ERRORS, found, loud, (title, explanation), behind)
