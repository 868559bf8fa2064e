"""What is known of the principals that are told of: read once for all, by parts where there is much."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from ctanalytics.detectors.behaviour_features import HISTORY_DAYS
from ctanalytics.detectors.by_date import ByDate

_MOMENT: Final = pa.timestamp("us", "UTC")
_TOLD: Final = pa.schema(
    [
        ("principal_key", pa.string()),
        ("history_key", pa.string()),
        ("started_at", _MOMENT),
        ("ended_at", _MOMENT),
    ]
)


@dataclass(frozen=True, slots=True)
class Told:
    """A principal, and a span (UTC, half-open, whole hours) in which it did what is told."""

    principal_key: str
    history_key: str
    started_at: dt.datetime
    ended_at: dt.datetime


def gather(by_date: ByDate, told: Sequence[Told]) -> None:
    """Keep for all who are told of what `behaviour_facts.touched` and `behaviour_evidence` look up.

    That is `principal_slices`, with the days before, and `told_events`.
    """
    if not told:
        return
    rows = pa.Table.from_pylist([asdict(one) for one in told], _TOLD)
    by_date.spread.engine.register("told_principals", rows)
    since, until = min(one.started_at for one in told), max(one.ended_at for one in told)
    before = since - dt.timedelta(days=HISTORY_DAYS)
    by_date.keep("principal_slices", "features/principal_slices", since=before, until=until)
    by_date.keep("told_events", "detectors/told_events", since=since, until=until)
