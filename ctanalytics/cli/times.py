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


def day(text: str, flag: str) -> tuple[dt.datetime, dt.datetime]:
    """Read a date as the UTC day from its midnight up to the next."""
    found = moment(text, flag)
    if found is None or found.time() != dt.time(0):
        raise UsageError(f"{text!r} is not a date", where=flag, mend="write 2026-11-24")
    return found, found + dt.timedelta(days=1)
