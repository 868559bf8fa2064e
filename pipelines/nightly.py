"""The night's work by a settings file: ingest, detect, emit, report.

    python pipelines/nightly.py ctanalytics.toml

Each step is safe to repeat: what was done is not done twice. Exit codes as the command's: 0 done,
1 failed, 2 usage, 3 done in part.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import ctanalytics
from ctanalytics import settings as settings_module
from ctanalytics.cli import console
from ctanalytics.errors import CtanalyticsError, UsageError


def nightly(file: Path) -> int:
    """Run the steps in order; a step in part lets the next ones run, and is told at the end."""
    settings = settings_module.load(file=file)
    if not settings.lake or not settings.sources:
        raise UsageError(
            "the nightly job needs a lake and sources",
            where=str(file),
            mend='write lake = "PLACE" and sources = ["s3://BUCKET"] at the top of the file',
        )
    whole = True
    ingested = ctanalytics.ingest(settings.sources, settings.lake, settings=settings)
    console.note(
        f"ingest: {ingested.records_written:,} events of {ingested.objects_ingested:,} objects"
    )
    whole &= ingested.complete
    lake = ctanalytics.Lake.open(settings.lake, settings.lake_aws)
    found = ctanalytics.detect(lake, settings=settings)
    console.note(f"detect: {found.anomalies.num_rows} anomalies in the window")
    if settings.emit.targets:
        emitted = ctanalytics.emit(lake, settings=settings)
        for target in emitted.targets:
            console.note(f"emit: {target.target}: {target.sent} sent, {target.failed} failed")
        whole &= emitted.complete
    midnight = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    page = ctanalytics.report(
        lake,
        settings=settings,
        output=Path(settings.report.output) / f"{midnight - dt.timedelta(days=1):%Y-%m-%d}",
        since=midnight - dt.timedelta(days=1),
        until=midnight,
    )
    console.note(f"report: {page.html}")
    return 0 if whole else 3


if __name__ == "__main__":
    try:
        sys.exit(nightly(Path(sys.argv[1] if len(sys.argv) > 1 else "ctanalytics.toml")))
    except CtanalyticsError as error:
        console.fail(error)
        sys.exit(error.exit_code)
