"""Times and dates as people give them to flags."""

from __future__ import annotations

import datetime as dt

from ctanalytics.errors import UsageError


def moment(text: str | None, flag: str) -> dt.datetime | None:
    """Read an ISO 8601 time or date as UTC; None stays None.

    Raises:
        UsageError: it is neither.
    """
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time",
            where=flag,
            mend="write 2026-11-24 or 2026-11-24T08:00:00Z (UTC)",
        ) from None
    return found.replace(tzinfo=found.tzinfo or dt.UTC).astimezone(dt.UTC)


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration(text: str | None, flag: str) -> float | None:
    """Read 30s, 5m, 1h or 1d as seconds; None stays None.

    Raises:
        UsageError: it is none of these.
    """
    if text is None:
        return None
    number, unit = text[:-1], text[-1:]
    if unit in _UNITS and number.isascii() and number.isdigit() and int(number) > 0:
        return float(int(number) * _UNITS[unit])
    raise UsageError(f"{text!r} is not a duration", where=flag, mend="write 30s, 5m, 1h or 1d")


def day(text: str, flag: str, zone: dt.tzinfo = dt.UTC) -> tuple[dt.datetime, dt.datetime]:
    """Read a date as the day of a zone, from its midnight up to the next.

    Raises:
        UsageError: it is no date.
    """
    found = moment(text, flag)
    if found is None or found.time() != dt.time(0):
        raise UsageError(f"{text!r} is not a date", where=flag, mend="write 2026-11-24")
    start, end = (
        dt.datetime.combine(found.date() + dt.timedelta(days=days), dt.time(), zone)
        for days in (0, 1)
    )
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC)
