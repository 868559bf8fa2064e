"""Values as people read them."""

from __future__ import annotations

import datetime as dt

from ctanalytics.reporting.document import Cell
from ctanalytics.reporting.series import number
from ctanalytics.reporting.voice import ENGLISH, Voice


def show(value: Cell, kind: str, voice: Voice = ENGLISH) -> str:
    """Show a value for people by its kind; what is not there is a dash."""
    if value is None or value == "":
        return "–"
    if isinstance(value, dt.datetime):
        return voice.clock(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool):
        if kind == "share":
            return f"{value:.1%}"
        if kind == "bytes":
            return _bytes(value)
        return f"{value:,}" if isinstance(value, int) else number(value)
    return voice.word(str(value)) if kind == "word" else str(value)


def duration(start: dt.datetime, end: dt.datetime, voice: Voice = ENGLISH) -> str:
    """Say how long something took, in at most two units."""
    return voice.length(start, end)


def _bytes(value: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
