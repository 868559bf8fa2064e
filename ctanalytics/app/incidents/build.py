"""Build incidents: take the anomalies in that are new or changed, and close what is over."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ctanalytics.incidents.revising import changes
from ctanalytics.incidents.traits import COMMON_DAYS, span, traits
from ctanalytics.lake.lake import Lake
from ctanalytics.settings import Settings


@dataclass(frozen=True, slots=True)
class IncidentsResult:
    """What became of incidents."""

    anomalies: int
    """That were new, or changed since they were taken in."""
    opened: int
    updated: int
    """Grew, escalated or moved."""
    closed: int
    merged: int
    """Taken over by an older one."""
    seconds: float


def build_incidents(
    lake: str | Path | Lake, *, settings: Settings | None = None, now: dt.datetime | None = None
) -> IncidentsResult:
    """Merge the anomalies of a lake into incidents and store what is new; twice adds nothing.

    Args:
        now: the time of this run, by which incidents are over.

    Raises:
        LakeMissing: there is no lake.
    """
    started = time.monotonic()
    settings = settings or Settings()
    now = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(microsecond=0)
    here = lake if isinstance(lake, Lake) else Lake.open(lake, settings.lake_aws)
    # Held throughout: two runs that see the same anomaly would open two incidents of it.
    with here.lease("incidents"), here.engine() as engine:
        pending = engine.run("incidents/pending").to_pylist()
        fresh = _traits(here, pending, settings, now)
        found = changes(engine, pending, fresh, settings=settings.incidents, now=now)
        # Incidents first: anomalies whose traits are stored are not looked at again.
        here.append("incidents", found.rows)
        here.append("anomaly_traits", fresh)
    return IncidentsResult(
        anomalies=len(pending),
        opened=found.opened,
        updated=found.updated,
        closed=found.closed,
        merged=found.merged,
        seconds=round(time.monotonic() - started, 3),
    )


def _traits(
    lake: Lake, pending: list[dict[str, Any]], settings: Settings, now: dt.datetime
) -> pa.Table:
    """Read what the anomalies' events have in common, from the files of their days alone."""
    since, until = span(pending, now) if pending else (now, now)
    with lake.engine(since=since - dt.timedelta(days=COMMON_DAYS), until=until) as events:
        return traits(events, pending, now=now, common=settings.incidents.common_network)
