"""Years of a bucket into the lake: day by day, the oldest first, to be stopped and run again.

    python pipelines/backfill.py ctanalytics.toml --from 2024-01 [--to 2026-10]

The settings file names the lake and its sources. Each day is one ingest of what was delivered on
it; a day that is done costs a few LIST requests when it is done again, and its objects are known.
What was denied or set aside is told at the end. Exit codes as the command's: 0 done, 1 failed,
2 usage, 3 done in part.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

import ctanalytics
from ctanalytics import settings as settings_module
from ctanalytics.cli import console
from ctanalytics.errors import CtanalyticsError, UsageError


@dataclass
class Month:
    """What a month came to."""

    events: int = 0
    duplicates: int = 0
    objects: int = 0
    whole: bool = True


def days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Yield the days of a span, both ends included."""
    for number in range((last - first).days + 1):
        yield first + dt.timedelta(days=number)


def backfill(file: Path, first: dt.date, last: dt.date) -> int:
    """Ingest every day of a span, and say for each month what it came to."""
    settings = settings_module.load(file=file)
    if not settings.lake or not settings.sources:
        raise UsageError(
            "the backfill needs a lake and sources",
            where=str(file),
            mend='write lake = "PLACE" and sources = ["s3://BUCKET"] at the top of the file',
        )
    # An ingest of one delivery day: the slack for late files is in the days that follow.
    exact = msgspec.structs.replace(settings.ingest, delivery_slack_days=0)
    settings = msgspec.structs.replace(settings, ingest=exact)
    whole = True
    month = Month()
    for day in days(first, last):
        midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
        done = ctanalytics.ingest(
            settings.sources, settings.lake, settings=settings, since=midnight, until=midnight
        )
        month.events += done.records_written
        month.duplicates += done.records_duplicate
        month.objects += done.objects_ingested
        month.whole &= done.complete
        ends = day == last or (day + dt.timedelta(days=1)).day == 1
        if ends:
            state = "whole" if month.whole else "in part: see `select * from quarantined`"
            console.note(
                f"{day:%Y-%m}: {month.events:,} events of {month.objects:,} objects, "
                f"{month.duplicates:,} duplicates; {state}",
                month=f"{day:%Y-%m}",
                events=month.events,
                objects=month.objects,
                whole=month.whole,
            )
            whole &= month.whole
            month = Month()
    return 0 if whole else 3


def _month(text: str) -> dt.date:
    try:
        return dt.datetime.strptime(text, "%Y-%m").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no month: write 2024-01") from None


def _last_day(month: dt.date) -> dt.date:
    return (month.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)


def main(arguments: list[str]) -> int:
    """Read the arguments, and backfill up to the end of the last month or to today."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="settings file")
    parser.add_argument("--from", dest="first", type=_month, required=True, help="first month")
    parser.add_argument("--to", dest="last", type=_month, help="last month [default: this one]")
    given = parser.parse_args(arguments)
    today = dt.datetime.now(dt.UTC).date()
    last = min(_last_day(given.last or today), today)
    if last < given.first:
        parser.error("--from lies after --to")
    return backfill(given.file, given.first, last)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CtanalyticsError as error:
        console.fail(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.note("stopped; run it again and it goes on")
        sys.exit(130)
