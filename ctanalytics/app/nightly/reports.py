"""The reports of days: which have to be written again, and where they go."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctanalytics.app.digest import digest, link_of
from ctanalytics.app.incidents.listing import list_incidents
from ctanalytics.app.nightly.records import Past
from ctanalytics.app.report import report
from ctanalytics.app.report_place import place_of
from ctanalytics.aws import bucket_of
from ctanalytics.errors import ReportError
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings

DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Written:
    """A day's report."""

    location: str
    """The HTML page."""
    headline: str


def write(
    lake: Lake, settings: Settings, output: str, day: dt.datetime, now: dt.datetime
) -> Written:
    """Write a day's report and its digest below a folder or an S3 prefix.

    Raises:
        ReportError: they can't be written there.
    """
    if bucket_of(output) is None:
        _make(Path(output))
    below = f"{output.rstrip('/')}/{day:%Y-%m-%d}"
    until = day + DAY
    page = report(lake, settings=settings, output=below, since=day, until=until, now=now)
    link = link_of(settings, day) if settings.report.url else page.html
    text = digest(lake, settings=settings, since=day, until=until, now=now, link=link)
    place_of(below, settings.lake_aws).put({"report.txt": text})
    return Written(page.html, page.headline)


def _make(folder: Path) -> None:
    """Make a folder for its owner alone; one that is there keeps its mode."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(
            f"no folder can be made there: {error.strerror or error}",
            where=str(folder),
            mend="name another folder with --output",
        ) from error


def changed_days(
    lake: Lake, day: dt.datetime, before: Sequence[Past], now: dt.datetime, again_days: int
) -> list[dt.datetime]:
    """Return earlier days that got events or changed incidents since the last night reported.

    Args:
        again_days: how far back to look.

    Returns:
        Midnights at their starts, the oldest first; none before the first report.
    """
    last = _last_report(before)
    if last is None or not again_days:
        return []
    plan_id, reported_at = last
    first = day - again_days * DAY
    with lake.engine() as engine:
        rows = engine.run("nightly/changed_days", since=first, until=day, plan_id=plan_id)
    found = {dt.datetime.combine(row["event_date"], dt.time(), dt.UTC) for row in rows.to_pylist()}
    for row in list_incidents(lake, since=first, until=day):
        if row["detected_at"] > reported_at:
            found |= set(_days(max(row["started_at"], first), min(row["ended_at"] or now, day)))
    return sorted(found)


def _days(start: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
    midnight = start.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = [midnight]
    while found[-1] + DAY < end:
        found.append(found[-1] + DAY)
    return found


def _last_report(before: Sequence[Past]) -> tuple[int, dt.datetime] | None:
    """Up to which ingest, and when, the last night that wrote reports did so."""
    for night in before:
        row = night.steps.get("report")
        if row is not None and row["state"] == "done":
            plan_id = json.loads(row["counts"]).get("plan_id")
            if isinstance(plan_id, int):
                return plan_id, row["started_at"]
    return None
