"""error_rate: an API returns one error far more often than usual."""

from __future__ import annotations

from typing import Any, Final

from ctanalytics.detectors import rates, surges
from ctanalytics.detectors.base import Context, DetectorResult, Window
from ctanalytics.detectors.rates import Api, Kind, Rates
from ctanalytics.detectors.severity import error_class, severity
from ctanalytics.detectors.surges import Surge

ERRORS: Final = Kind("error_rate", "error_surge", "ApiErrorRateInsight", writes=False)

_SAID: Final = {"denied": "was refused", "throttle": "was throttled"}


def error_rate(context: Context, window: Window) -> DetectorResult:
    """Find surges of one error code of one API, per account and region.

    Codes that mean "there is none" or "it would have worked" never fire.
    """
    loaded = rates.load(context, window, "detectors/error_minutes")
    if not loaded.series.count:
        return DetectorResult(rates.table([]), notes=["no errors: no error rates to judge"])
    theta = rates.surge_theta(context, loaded)
    found = surges.find(
        loaded.series,
        loaded.expectation,
        loaded.masked,
        first_day=loaded.first_day,
        end_minute=loaded.end_minute,
        theta=theta,
    )
    rows = [
        _anomaly(context, loaded, surge, theta)
        for surge in found
        if _class(rates.api(loaded.series, surge.series)) != "benign"
    ]
    rows = [row for row in rows if row["ended_at"] is None or row["ended_at"] > window.since]
    return DetectorResult(rates.table(rows), notes=loaded.notes)


def _class(who: Api) -> str:
    return error_class(who.error_code, who.event_name)


def _anomaly(context: Context, loaded: Rates, found: Surge, theta: float) -> dict[str, Any]:
    who = rates.api(loaded.series, found.series)
    start, end = loaded.series.time(found.start), loaded.series.time(found.end)
    behind = rates.span(context, who, ERRORS, start, end)
    kind = _class(who)
    most = behind.most("userIdentityArn")
    by = (
        f", {'all' if most.insight == behind.calls else 'mostly'} to {rates.short_principal(most.value)}"
        if most
        else ""
    )
    loud = severity("denied" if kind == "denied" else "read", found.score - theta)
    explanation = (
        f"{who.event_name} {_SAID.get(kind, 'failed')} with {who.error_code} {behind.calls:,} times in "
        f"{rates.minutes_text(found.end - found.start)} in {who.place}{by}; its most in "
        f"{rates.minutes_text(found.window)} was {found.peak:,}, and in the 28 days before {found.record:,}."
    )
    if found.provisional:
        explanation += " There are less than two weeks of history, so this is provisional."
    title = f"{who.error_code} of {who.event_name} surged in {who.place}"
    return rates.surge_row(context, loaded, ERRORS, found, loud, (title, explanation), behind)
