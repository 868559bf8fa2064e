"""Series of counts in equal steps: gaps filled with zeros, long ones shortened, told in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

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


def daily(points: Iterable[Point]) -> tuple[Point, ...]:
    """Add up hours to UTC days."""
    days: dict[dt.datetime, list[float]] = {}
    for moment, first, second in points:
        day = days.setdefault(moment.replace(hour=0), [0, 0])
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


def described(points: tuple[Point, ...], unit: str, *, second: str) -> str:
    """Tell a chart in one sentence: its span, its peak, and the second value at the peak."""
    if not points:
        return f"No {unit}."
    peak = max(points, key=lambda point: point[1])
    show = _date if points[-1][0] - points[0][0] >= DAY * max(len(points) - 1, 1) else clock
    beside = "" if peak[2] is None else f", {number(peak[2])} {second}"
    return (
        f"{unit[:1].upper()}{unit[1:]} from {show(points[0][0])} to {show(points[-1][0])} UTC: "
        f"at most {number(peak[1])} at {show(peak[0])}{beside}; "
        f"on average {number(sum(point[1] for point in points) / len(points))}."
    )


def _date(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).date().isoformat()


def clock(value: dt.datetime) -> str:
    """Show a UTC time to the minute, or to the second where it has any."""
    value = value.astimezone(dt.UTC)
    return value.strftime("%Y-%m-%d %H:%M:%S" if value.second else "%Y-%m-%d %H:%M")


def number(value: float) -> str:
    """Show a number with three significant digits, whole ones in full with thousands marked."""
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
