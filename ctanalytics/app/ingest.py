"""Ingest: list, leave out what the ledger knows, decode, deduplicate, commit, count.

The work goes in plans of bounded size (`lake.plans`). A crash anywhere leaves a plan that the
next ingest of any process finishes; so rows come exactly once, whoever does the work.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence

from ctanalytics.app.ingest_result import IngestResult, Progress, Report, result
from ctanalytics.app.ingest_run import Run
from ctanalytics.engines.executor import Executor
from ctanalytics.engines.local import LocalExecutor, cores
from ctanalytics.errors import LakeMissing
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings
from ctanalytics.sources.base import Selection, open_source

__all__ = ["IngestResult", "Progress", "ingest"]


def ingest(
    sources: Sequence[str],
    lake: str | Lake,
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    accounts: Sequence[str] = (),
    regions: Sequence[str] = (),
    retry: bool = False,
    dry_run: bool = False,
    executor: Executor | None = None,
    progress: Report | None = None,
) -> IngestResult:
    """Bring the log files of the sources into the lake, each event once.

    Args:
        sources: folders, files, or s3://bucket[/prefix].
        lake: where the lake is; it is made when there is none.
        since: take only objects that can hold events of this time on (chosen objects are taken
            whole).
        until: take only objects delivered for events before this time.
        accounts: only these account ids; empty: all.
        regions: only these regions; empty: all.
        retry: also take again what was set aside before.
        dry_run: list and count only.

    Raises:
        SourceError: a source can't be listed.
        LakeError: the lake can't be opened or written.
    """
    settings = settings or Settings()
    started = time.monotonic()
    opened = [open_source(text, settings.source_aws) for text in sources]
    here = lake if isinstance(lake, Lake) else _lake(lake, settings, dry_run=dry_run)
    selection = Selection(
        since=since,
        until=until,
        accounts=frozenset(accounts),
        regions=frozenset(regions),
        slack_days=settings.ingest.delivery_slack_days,
    )
    own = None if executor else LocalExecutor(settings.ingest.workers or cores())
    run = Run(here, settings, executor or own or LocalExecutor(1), retry, dry_run, progress)
    try:
        run.settle()
        for source in opened:
            run.take(source, run.bounded(source, selection))
    finally:
        if own:
            own.close()
    return result(run.counts, here, opened, run.notes, time.monotonic() - started)


def _lake(uri: str, settings: Settings, *, dry_run: bool) -> Lake | None:
    if not dry_run:
        return Lake.create(uri, settings.lake_aws)
    try:
        return Lake.open(uri, settings.lake_aws)
    except LakeMissing:
        return None
