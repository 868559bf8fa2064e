"""The reports that nights have stored, in a folder or in S3: one for each day."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from ctanalytics.app.serve.http import MAX_BYTES
from ctanalytics.errors import CtanalyticsError, ReportError
from ctanalytics.lake.store import Store, open_store
from ctanalytics.settings import Settings

_PLACE: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})/report[.]html")


def _store(settings: Settings) -> Store:
    return open_store(settings.report.output, settings.lake_aws)


def days(settings: Settings) -> Mapping[dt.date, int]:
    """Return the days that have a report, the newest first, each with its size in bytes.

    Raises:
        CtanalyticsError: the bucket can't be listed.
    """
    found: dict[dt.date, int] = {}
    for entry in _store(settings).entries():
        if match := _PLACE.fullmatch(entry.path):
            with suppress(ValueError):
                found[dt.date.fromisoformat(match[1])] = entry.size_bytes
    return dict(sorted(found.items(), reverse=True))


def read(settings: Settings, day: dt.date) -> bytes:
    """Return the page of a day. The day is a date, so that no path comes from a reader.

    Raises:
        ReportError: there is none, or it is larger than is sent.
    """
    size = days(settings).get(day)
    if size is None or size > MAX_BYTES:
        raise ReportError(
            f"no report is stored of {day}" if size is None else f"it has {size:,} bytes",
            where=settings.report.output,
            mend="the report can be made from the lake",
        )
    try:
        return _store(settings).read(f"{day:%Y-%m-%d}/report.html")
    except OSError as error:
        raise ReportError(f"it can't be read: {error}", where=settings.report.output) from error


def days_or_none(settings: Settings) -> tuple[Mapping[dt.date, int], str]:
    """As `days`, with what went wrong as text."""
    try:
        return days(settings), ""
    except CtanalyticsError as error:
        return {}, str(error)
