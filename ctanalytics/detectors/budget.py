"""The budget governor: a detector that raises far more alarms than it may gets a higher threshold.

While the alarms of the 14 days before a day are more than twice what the budget allows in them, the
threshold rises by 0.25 a day. What was decided for a day stays; nothing is ever lowered by itself.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctanalytics.detectors.base import Context
from ctanalytics.detectors.series import POOL_DAYS, Floats

STEP: Final = 0.25
_MOST: Final = 2.0
_WEEKS: Final = POOL_DAYS / 7


@dataclass(frozen=True)
class Alarm:
    """What would be an anomaly if its day's threshold were not raised."""

    at: dt.datetime
    """When it fired."""
    margin: float
    """By how much its score exceeds the threshold of its day before that is raised."""


@dataclass(frozen=True)
class Governed:
    """Which alarms stand."""

    stands: list[bool]
    """In the order of the alarms."""
    raised: dict[dt.date, float]
    """By day, how much the threshold is raised."""
    decided: list[dict[str, Any]]
    """Rows of series_budget that are new."""
    notes: list[str]


def govern(
    context: Context,
    detector: str,
    share: float,
    dates: Sequence[dt.date],
    alarms: Sequence[Alarm],
) -> Governed:
    """Raise a detector's thresholds day by day, as its alarms call for.

    Args:
        share: of the lake's budget, what the detector may use.
        dates: the days that were judged, in their order.
        alarms: what was found on them, at thresholds that are not raised.
    """
    allowed = context.settings.budget * share * _WEEKS
    if not context.settings.governor or not dates:
        return Governed([True] * len(alarms), {}, [], [])
    known = _decided(context, detector)
    times = sorted(_published(context, detector, dates[0]))
    raised: dict[dt.date, float] = {}
    decided: list[dict[str, Any]] = []
    stands = [False] * len(alarms)
    last = max((day for day in known if day < dates[0]), default=None)
    quarters = known[last] if last else 0
    for date in dates:
        midnight = dt.datetime.combine(date, dt.time(), dt.UTC)
        count = bisect_left(times, midnight) - bisect_left(
            times, midnight - dt.timedelta(days=POOL_DAYS)
        )
        if date in known:
            quarters = known[date]
        else:
            quarters += count > _MOST * allowed
            decided.append(_row(context, detector, date, quarters, count, allowed))
        raised[date] = STEP * quarters
        for place, alarm in enumerate(alarms):
            on_day = alarm.at.date() == date or (date == dates[0] and alarm.at < midnight)
            if on_day and alarm.margin >= raised[date]:
                stands[place] = True
                insort(times, alarm.at)
    return Governed(stands, raised, decided, _notes(detector, raised, alarms, stands))


def thetas(raised: dict[dt.date, float], dates: Sequence[dt.date], base: Floats) -> Floats:
    """Return the thresholds of days as they were raised."""
    found = base.copy()
    for place, date in enumerate(dates):
        found[place] += raised.get(date, 0.0)
    return found


def _decided(context: Context, detector: str) -> dict[dt.date, int]:
    """By day, the quarters that were decided."""
    if context.replay is not None:
        rows = context.replay.budget
    else:
        rows = context.engine.run("detectors/budget_days").to_pylist()
    since = context.settings.governor_since or "0001-01-01"
    return {
        row["day"]: row["raised"]
        for row in rows
        if row["detector"] == detector and row["day"] >= dt.date.fromisoformat(since)
    }


def _published(context: Context, detector: str, first: dt.date) -> list[dt.datetime]:
    """When the alarms began that were published for the days before the first."""
    until = dt.datetime.combine(first, dt.time(), dt.UTC)
    since = until - dt.timedelta(days=POOL_DAYS)
    if context.replay is not None:
        # As in the statement below; nobody had marked anything yet.
        columns = ["detector", "kind", "state", "started_at"]
        rows = [
            row
            for row in context.replay.anomalies.select(columns).to_pylist()
            if row["detector"] == detector
            and row["kind"] != "telemetry_gap"
            and row["state"] != "withdrawn"
            and since <= row["started_at"] < until
        ]
    else:
        rows = context.engine.run(
            "detectors/recent_alarms", detector=detector, since=since, until=until
        ).to_pylist()
    return [row["started_at"] for row in rows]


def _row(
    context: Context, detector: str, day: dt.date, quarters: int, alarms: int, allowed: float
) -> dict[str, Any]:
    return {
        "detector": detector,
        "day": day,
        "raised": quarters,
        "alarms": alarms,
        "allowed": round(allowed, 6),
        "decided_at": context.now,
    }


def _notes(
    detector: str,
    raised: dict[dt.date, float],
    alarms: Sequence[Alarm],
    stands: Sequence[bool],
) -> list[str]:
    high = max(raised.values())
    if not high:
        return []
    first = min(day for day, value in raised.items() if value)
    kept_back = len(alarms) - sum(stands)
    return [
        f"{detector}: more than twice the budget of alarms in 14 days, so from {first} on its threshold "
        f"is raised, by up to {high:g}; {kept_back} weaker alarm{'s are' if kept_back != 1 else ' is'} "
        "kept back (set detect.governor_since to a date to start afresh from there)"
    ]
