"""The digest of a span: the report as a plain mail."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from ctanalytics.app.report import span_of
from ctanalytics.aws import bucket_of
from ctanalytics.lake.lake import Lake
from ctanalytics.reporting import sections, text
from ctanalytics.reporting.voice import voice_of
from ctanalytics.settings import Settings

_DAY = dt.timedelta(days=1)


def digest(
    lake: str | Path | Lake,
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    now: dt.datetime | None = None,
    link: str = "",
) -> str:
    """Return what happened in since <= t < until as a mail: short lines, at most 12 kB.

    Args:
        settings: `report.language` and `report.timezone` say how it is told; in English it is ASCII.
        since, until: else as `report` has them.
        link: where the whole report lies; else that of `link_of`, for a day.

    Raises:
        UsageError: since is not before until, or there is no such language or time zone.
        LakeMissing: there is no lake.
    """
    settings = settings or Settings()
    now = now or dt.datetime.now(dt.UTC).replace(microsecond=0)
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    with here.engine() as engine:
        newest = sections.newest_event(engine)
        since, until = span_of(since, until, newest=newest, now=now, days=settings.detect.days)
        if not link and until - since == _DAY:
            link = link_of(settings, since)
        found = text.read(
            engine,
            since=since,
            until=until,
            now=now,
            newest_event=newest,
            link=link,
            voice=voice_of(settings.report.language, settings.report.timezone),
        )
    return text.text(found)


def link_of(settings: Settings, day: dt.datetime) -> str:
    """Return where people find the report that a night writes of a day; empty where nobody said so.

    It is `report.url`, else an S3 `report.output`, with the day's date.
    """
    base = settings.report.url
    if not base and bucket_of(settings.report.output):
        base = settings.report.output
    is_midnight = day.astimezone(dt.UTC).time() == dt.time()
    return f"{base.rstrip('/')}/{day:%Y-%m-%d}/report.html" if base and is_midnight else ""
