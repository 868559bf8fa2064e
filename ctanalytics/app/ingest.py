"""Ingest: list, leave out what the ledger knows, decode, deduplicate, commit, count.

The work goes in plans of bounded size (`lake.plans`). A crash anywhere leaves a plan that the
next ingest of any process finishes; so rows come exactly once, whoever does the work.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from ctanalytics.app.ingest_lists import Lists
from ctanalytics.app.ingest_pass import Order, once, opened
from ctanalytics.app.ingest_result import Agree, IngestResult, Progress, Report
from ctanalytics.engines.executor import Executor
from ctanalytics.errors import UsageError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings
from ctanalytics.sources.base import RECORD_KINDS, Selection

__all__ = ["IngestResult", "Progress", "chosen", "ingest"]


def ingest(
    sources: str | Path | Sequence[str],
    lake: str | Path | Lake,
    *,
    settings: Settings | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    accounts: Sequence[str] = (),
    regions: Sequence[str] = (),
    queue: str | None = None,
    inventory: str = "",
    objects: str = "",
    retry: bool = False,
    reingest: bool = False,
    dry_run: bool = False,
    executor: Executor | None = None,
    progress: Report | None = None,
    agree: Agree | None = None,
    now: dt.datetime | None = None,
) -> IngestResult:
    """Bring the log files of the sources into the lake, each event once.

    Args:
        sources: folders, files, or s3://bucket[/prefix]; one, or a list of them.
        lake: where the lake is; it is made when there is none.
        since: take only objects that can hold events of this time on (chosen objects are taken
            whole). Without it a bucket is listed as far back as late files may come.
        until: take only objects delivered for events before this time.
        accounts: only these account ids; empty: all.
        regions: only these regions; empty: all.
        queue: URL of an SQS queue that announces new objects of the sources; it is emptied. None:
            that of the settings, unless days, accounts, regions or objects are chosen.
        inventory: manifest of an S3 Inventory report, or a folder of reports, of which the newest
            is taken: what it has of the sources is read, and they are not listed. Without sources:
            the bucket that it is of.
        objects: a file of keys or s3:// addresses, one a line, or a table with a column `key`;
            what it has of the sources is read, and they are not listed.
        retry: also take again what was set aside before.
        reingest: take again all that the sources have in the chosen span, accounts and regions;
            the rows of an object that can be read and is unchanged replace its former ones.
        dry_run: list, count and estimate only.
        agree: asked before more than `ingest.ask_above` objects are read; none: they are read.
        now: the time, by which days are listed.

    Raises:
        SourceError: a source can't be listed.
        LakeError: the lake can't be opened or written.
        UsageError: more objects than `agree` agreed to, a queue is to be ingested again, or a list
            is no list or of other buckets.
    """
    settings = settings or Settings()
    lists = Lists(inventory, objects)
    if reingest and queue:
        raise UsageError(
            "a queue announces each object once, so nothing in it can be ingested again",
            where="--reingest --queue",
            mend="name the bucket alone, with --since and --until",
        )
    if queue is None:
        # What is narrowed is a job of its own: it leaves the messages to the others.
        is_narrowed = since or until or accounts or regions or reingest or lists
        queue = "" if is_narrowed else settings.ingest.queue
    named = [str(sources)] if isinstance(sources, str | Path) else sources
    order = Order(
        lists.sources(named, settings.source_aws),
        chosen(settings, since=since, until=until, accounts=accounts, regions=regions),
        settings,
        queue=queue,
        lists=lists,
        retry=retry,
        reingest=reingest,
        dry_run=dry_run,
    )
    place = lake if isinstance(lake, Lake) else str(lake)
    with opened(order, place, executor, progress, agree) as (run, held):
        return once(run, held, order, now or dt.datetime.now(dt.UTC))


def chosen(
    settings: Settings,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    accounts: Sequence[str] = (),
    regions: Sequence[str] = (),
) -> Selection:
    """Return which objects are meant by what a user said."""
    return Selection(
        since=since,
        until=until,
        accounts=frozenset(accounts),
        regions=frozenset(regions),
        kinds=RECORD_KINDS | {"config"} if settings.ingest.config_items else RECORD_KINDS,
        slack_days=settings.ingest.delivery_slack_days,
    )
