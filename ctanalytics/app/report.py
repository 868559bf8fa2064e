"""Write the report of a span: one HTML page, the same as Markdown, the same as JSON."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from ctanalytics.app.lake.info import info
from ctanalytics.app.report_place import place_of
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.reporting import render, sections
from ctanalytics.reporting.document import LakeFacts
from ctanalytics.reporting.voice import voice_of
from ctanalytics.settings import Settings


@dataclass(frozen=True, slots=True)
class ReportResult:
    """Where a report lies, and what its head says."""

    html: str
    markdown: str
    json: str
    since: dt.datetime
    until: dt.datetime
    headline: str
    events: int
    anomalies: dict[str, int]
    """By severity, the gravest first."""


def report(
    lake: str | Path | Lake,
    *,
    settings: Settings | None = None,
    output: str | Path | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    now: dt.datetime | None = None,
) -> ReportResult:
    """Write report.html, report.md and report.json of since <= t < until into a folder or bucket.

    Only their owner may read the files: they hold names, addresses and error texts. A folder that
    is not there is made likewise; one that is there keeps its mode. In S3 they are encrypted.

    Args:
        settings: `report.language` and `report.timezone` say how it is told.
        output: the folder or s3://bucket/prefix; else that of the settings.
        since, until: else the days that `detect` looks at by default, up to the newest event.
        now: the time that the report gives for itself; the same lake and `now` give the same bytes.

    Raises:
        UsageError: since is not before until, or there is no such language or time zone.
        ReportError: the folder, the bucket or a file can't be written.
    """
    now = now or dt.datetime.now(dt.UTC).replace(microsecond=0)
    settings = settings or Settings()
    voice = voice_of(settings.report.language, settings.report.timezone)
    place = place_of(output or settings.report.output, settings.lake_aws)
    here = lake if isinstance(lake, Lake) else Lake(lake, settings.lake_aws)
    found = info(here)
    facts = LakeFacts(
        location=here.uri,
        size_bytes=sum(table.size_bytes for table in found.tables),
        files=sum(table.files for table in found.tables),
    )
    with here.engine() as engine:
        since, until = span_of(
            since, until, newest=sections.newest_event(engine), now=now, days=settings.detect.days
        )
        document = sections.document(
            engine,
            since=since,
            until=until,
            now=now,
            top=settings.report.top,
            lake=facts,
            voice=voice,
        )
    forms = {
        "report.html": render.html(document),
        "report.md": render.text(document),
        "report.json": render.data(document),
    }
    place.put(forms)
    return ReportResult(
        html=place.at("report.html"),
        markdown=place.at("report.md"),
        json=place.at("report.json"),
        since=since,
        until=until,
        headline=document.headline,
        events=document.events,
        anomalies=dict(document.severities),
    )


def span_of(
    since: dt.datetime | None,
    until: dt.datetime | None,
    *,
    newest: dt.datetime | None,
    now: dt.datetime,
    days: int,
) -> tuple[dt.datetime, dt.datetime]:
    """Return the span of a report: what is given, else the days up to the newest event.

    Raises:
        UsageError: since is not before until.
    """
    if until is None:
        # The newest event is in: its minute ends the span.
        last = (newest or now).replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
        until = last if since is None or last > since else now
    if since is None:
        since = (until - dt.timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    if not since < until:
        raise UsageError(
            f"the report's span is empty: {since.isoformat()} is not before {until.isoformat()}",
            where="--since and --until",
            mend="give a --since that lies before --until",
        )
    return since, until
