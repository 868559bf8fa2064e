"""Who and what stands behind the calls of spans that are told: read once for all of them, by parts
where there is much."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from ctanalytics.detectors import insight
from ctanalytics.detectors.base import Context
from ctanalytics.detectors.by_date import ByDate
from ctanalytics.detectors.insight import Share
from ctanalytics.detectors.rate_series import Api
from ctanalytics.records.series_tables import KEYS

_EVIDENCE: Final = 100
_OWN_ATTRIBUTES: Final = ("accessKeyId", "sourceIPAddress", "refusedBy")
"""What is counted beside the attributions of AWS's records."""

_FIRST: Final = dt.timedelta(minutes=insight.START_MINUTES)
_MOMENT: Final = pa.timestamp("us", "UTC")
_TOLD: Final = pa.schema(
    [
        ("number", pa.int32()),
        *((name, pa.string()) for name in KEYS),
        ("kind", pa.string()),
        *((name, _MOMENT) for name in ("before_at", "started_at", "ended_at", "first_until")),
    ]
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Calls of a series in a span, UTC minutes, half-open."""

    who: Api
    calls: str
    """Which calls the series counts: a kind of series_minute, without `_by_principal`."""
    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True)
class Span:
    """An anomaly's calls: who made them, which events they are."""

    start: dt.datetime
    end: dt.datetime
    calls: int
    event_ids: list[str]
    shares: dict[str, list[Share]]
    first_shares: dict[str, list[Share]]
    """Of the first five minutes."""

    def most(self, attribute: str) -> Share | None:
        """The value with the most calls beyond its usual."""
        return max(self.shares.get(attribute, []), key=lambda share: share.insight, default=None)


Counts = Counter[tuple[str, str]]
"""Calls by attribute and value."""


def spans(context: Context, asked: Sequence[Asked]) -> list[Span]:
    """Read who and what stands behind the calls of some spans, against the seven days before each."""
    if not asked:
        return []
    by_date = ByDate.of(context)
    context.engine.register(
        "told_series",
        pa.Table.from_pylist([_row(number, one) for number, one in enumerate(asked)], _TOLD),
    )
    start, end = min(one.start for one in asked), max(one.end for one in asked)
    counts = by_date.run(
        "detectors/attribution",
        since=insight.baseline_start(start),
        until=max(end, *(one.start + _FIRST for one in asked)),
    )
    listed = by_date.run("detectors/evidence", since=start, until=end, limit=_EVIDENCE)
    calls = _calls(counts)
    ids = defaultdict[int, list[str]](list)
    for row in listed.to_pylist():
        ids[row["number"]].append(row["event_id"])
    return [
        _span(one, calls.get(number, {}), ids[number][:_EVIDENCE])
        for number, one in enumerate(asked)
    ]


def _row(number: int, one: Asked) -> dict[str, object]:
    return {
        "number": number,
        **asdict(one.who),
        "kind": one.calls,
        "before_at": insight.baseline_start(one.start),
        "started_at": one.start,
        "ended_at": one.end,
        "first_until": one.start + _FIRST,
    }


def _calls(counts: pa.Table) -> dict[int, dict[str, Counts]]:
    """By span and part of it; what workers have counted of several dates is added up."""
    found: dict[int, dict[str, Counts]] = {}
    for row in counts.to_pylist():
        part = found.setdefault(row["number"], {}).setdefault(row["part"], Counter())
        part[row["attribute"], row["value"]] += row["calls"]
    return found


def _span(one: Asked, parts: Mapping[str, Counts], ids: list[str]) -> Span:
    before, first, rest, following = (
        parts.get(name, Counter()) for name in ("before", "first", "rest", "next")
    )
    shares = _shares(first + rest, before)
    calls = sum(share.insight for share in shares["errorCode"])
    return Span(one.start, one.end, calls, ids, shares, _shares(first + following, before))


def _shares(counts: Counts, usual: Counts) -> dict[str, list[Share]]:
    shares: dict[str, list[Share]] = {name: [] for name in (*insight.ATTRIBUTES, *_OWN_ATTRIBUTES)}
    for attribute, value in sorted({*usual, *counts}):
        key = (attribute, value)
        shares[attribute].append(Share(value, counts[key], usual[key]))
    return shares
