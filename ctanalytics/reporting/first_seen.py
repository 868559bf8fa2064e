"""What a span has seen for the first time."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from ctanalytics.engines.duckdb import Engine
from ctanalytics.reporting import tables
from ctanalytics.reporting.document import Section
from ctanalytics.reporting.voice import Voice

_HISTORY_DAYS: Final = 30
_MOST_EVENTS: Final = 20_000_000
"""Of the history: a report takes seconds. Larger lakes look back over fewer days, and say so."""


def section(
    engine: Engine,
    span: dict[str, Any],
    voice: Voice,
    *,
    since: dt.datetime,
    until: dt.datetime,
    top: int,
) -> Section:
    """Tell which accounts, regions, principals and APIs are new.

    Args:
        span: the row of reporting/lake_span.
    """
    title = voice.say("titles.first_seen")
    start = _start_of_history(span, since.date(), (until.date() - since.date()).days + 1)
    if start is None or start >= since.date():
        return Section("first_seen", title, (voice.say("first_seen.no_history"),))
    history = dt.datetime.combine(start, dt.time(), dt.UTC)
    found = tables.table(
        engine,
        tables.FIRST_SEEN,
        voice=voice,
        since=history,
        until=until,
        new_from=since,
        top=top,
    )
    days = (since.date() - start).days
    before = voice.say(f"first_seen.{'days' if days > 1 else 'day'}_before", n=days)
    if not found.found:
        return Section("first_seen", title, (voice.say("first_seen.none", before=before),))
    sentence = voice.say("first_seen.sentence", before=before)
    return Section("first_seen", title, (sentence,), tables=(found,))


def _start_of_history(span: dict[str, Any], first: dt.date, days: int) -> dt.date | None:
    """The first day of the history, which lies before `first`; None without any."""
    if span["first_date"] is None:
        return None
    lake_days = max((span["last_date"] - span["first_date"]).days + 1, 1)
    affordable = int(_MOST_EVENTS / max(span["events"] / lake_days, 1)) - days
    back = min(_HISTORY_DAYS, max(affordable, 1))
    oldest: dt.date = span["first_date"]
    return max(first - dt.timedelta(days=back), oldest)
