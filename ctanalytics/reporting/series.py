"""Series of counts in equal steps: gaps filled with zeros, long ones shortened, told in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from ctanalytics.reporting.voice import ENGLISH, Voice

Point = tuple[dt.datetime, float, float | None]

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def hourly(
    rows: Iterable[Mapping[str, Any]], since: dt.datetime, until: dt.datetime
) -> tuple[Point, ...]:
    """Lay rows of (hour_start, calls, errors) on every hour of a span; an hour without is zero."""
    found = {row["hour_start"].astimezone(dt.UTC): row for row in rows}
    points: list[Point] = []
    hour = since.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    while hour < until:
        row = found.get(hour)
        points.append((hour, row["calls"] if row else 0, row["errors"] if row else 0))
        hour += HOUR
    return tuple(points)


def daily(points: Iterable[Point], voice: Voice = ENGLISH) -> tuple[Point, ...]:
    """Add up hours to days of the voice's zone."""
    days: dict[dt.datetime, list[float]] = {}
    for moment, first, second in points:
        midnight = voice.here(moment).replace(hour=0, minute=0)
        day = days.setdefault(midnight.astimezone(dt.UTC), [0, 0])
        day[0] += first
        day[1] += second or 0
    return tuple((day, first, second) for day, (first, second) in days.items())


def clipped(
    start: dt.datetime, end: dt.datetime | None, first: dt.datetime, last: dt.datetime
) -> tuple[dt.datetime, dt.datetime] | None:
    """Cut a span to another; none when they don't meet. An open end is the other's."""
    begin = max(start, first)
    finish = min(end or last, last)
    return (begin, finish) if begin < finish else None


def described(points: tuple[Point, ...], unit: str, *, second: str, voice: Voice = ENGLISH) -> str:
    """Tell a chart in one sentence: its span, its peak, and the second value at the peak."""
    if not points:
        return voice.say("series.none", unit=unit)
    peak = max(points, key=lambda point: point[1])
    is_daily = points[-1][0] - points[0][0] >= DAY * max(len(points) - 1, 1)

    def when(moment: dt.datetime) -> str:
        return f"{voice.here(moment):%Y-%m-%d}" if is_daily else voice.clock(moment)

    return voice.say(
        "series.described",
        unit=f"{unit[:1].upper()}{unit[1:]}",
        start=when(points[0][0]),
        end=when(points[-1][0]),
        zone=voice.zone_name(points[-1][0]),
        peak=number(peak[1]),
        when=when(peak[0]),
        beside=""
        if peak[2] is None
        else voice.say("series.beside", value=number(peak[2]), second=second),
        average=number(sum(point[1] for point in points) / len(points)),
    )


def clock(value: dt.datetime) -> str:
    """Show a UTC time to the minute, or to the second where it has any."""
    return ENGLISH.clock(value)


def number(value: float) -> str:
    """Show a number with three significant digits, whole ones in full with thousands marked."""
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
