"""Write the report of a span: one HTML page, the same as Markdown, the same as JSON."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ctanalytics.app.lake.info import info
from ctanalytics.errors import ReportError, UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.reporting import render, sections
from ctanalytics.reporting.document import LakeFacts
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
    """Write report.html, report.md and report.json of since <= t < until into a folder.

    Only their owner may read the files: they hold names, addresses and error texts. A folder that
    is not there is made likewise; one that is there keeps its mode.

    Args:
        output: the folder; else that of the settings.
        since, until: else the days that `detect` looks at by default, up to the newest event.
        now: the time that the report gives for itself; the same lake and `now` give the same bytes.

    Raises:
        UsageError: since is not before until.
        ReportError: the folder or a file can't be written.
    """
    now = now or dt.datetime.now(dt.UTC).replace(microsecond=0)
    settings = settings or Settings()
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
            engine, since=since, until=until, now=now, top=settings.report.top, lake=facts
        )
    folder = Path(output or settings.report.output)
    forms = {
        "report.html": render.html(document),
        "report.md": render.text(document),
        "report.json": render.data(document),
    }
    _write(folder, forms)
    return ReportResult(
        html=str(folder / "report.html"),
        markdown=str(folder / "report.md"),
        json=str(folder / "report.json"),
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


def _write(folder: Path, forms: dict[str, str]) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in forms.items():
            _replace(folder / name, text)
    except OSError as error:
        raise ReportError(
            f"the report can't be written: {error.strerror or error}",
            where=str(error.filename or folder),
            mend="name another folder with --output",
        ) from error


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone from the first byte."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
