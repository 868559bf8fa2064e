"""Values as people read them."""

from __future__ import annotations

import datetime as dt

from ctanalytics.reporting.document import Cell
from ctanalytics.reporting.series import clock, number


def show(value: Cell, kind: str) -> str:
    """Show a value for people by its kind; what is not there is a dash."""
    if value is None or value == "":
        return "–"
    if isinstance(value, dt.datetime):
        return clock(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool):
        if kind == "share":
            return f"{value:.1%}"
        if kind == "bytes":
            return _bytes(value)
        return f"{value:,}" if isinstance(value, int) else number(value)
    return str(value)


def duration(start: dt.datetime, end: dt.datetime) -> str:
    """Say how long something took, in at most two units."""
    seconds = int((end - start).total_seconds())
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _bytes(value: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
