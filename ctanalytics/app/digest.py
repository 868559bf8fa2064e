"""The digest of a span: the report as a plain mail."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from ctanalytics.app.report import span_of
from ctanalytics.lake.lake import Lake
from ctanalytics.reporting import sections, text
from ctanalytics.settings import Settings


def digest(
    lake: str | Path | Lake,
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    now: dt.datetime | None = None,
    link: str = "",
) -> str:
    """Return what happened in since <= t < until as a mail: ASCII, short lines, at most 12 kB.

    Args:
        since, until: else as `report` has them.
        link: where the whole report lies.

    Raises:
        UsageError: since is not before until.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    now = now or dt.datetime.now(dt.UTC).replace(microsecond=0)
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine() as engine:
        newest = sections.newest_event(engine)
        since, until = span_of(since, until, newest=newest, now=now, days=settings.detect.days)
        found = text.read(engine, since=since, until=until, now=now, newest_event=newest, link=link)
    return text.text(found)
