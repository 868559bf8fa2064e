"""Which spans of time digests that hold vouch for, and which they don't."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ctanalytics.integrity.verdict import OFF

EVERY: Final = dt.timedelta(minutes=75)
"""A digest comes each hour, at times a quarter of an hour late."""

_TOUCH: Final = dt.timedelta(seconds=1)  # both ends of a digest count, in whole seconds

Span = tuple[dt.datetime, dt.datetime]


@dataclass
class Coverage:
    """The spans of the digests of one chain that hold."""

    spans: list[Span] = field(default_factory=list)
    starts: set[dt.datetime] = field(default_factory=set)
    """Where a chain begins, by a digest that says that none comes before it."""

    def add(self, span: Span, *, starts_chain: bool) -> None:
        """Take in one digest."""
        self.spans.append(span)
        if starts_chain:
            self.starts.add(span[0])

    @property
    def newest(self) -> dt.datetime | None:
        """Where the newest digest ends."""
        return max((span[1] for span in self.spans), default=None)

    @property
    def oldest(self) -> dt.datetime | None:
        """Where the oldest digest begins."""
        return min((span[0] for span in self.spans), default=None)

    def merged(self) -> list[Span]:
        """The spans in order, those that touch joined."""
        return merge(self.spans)

    def gaps(
        self, since: dt.datetime, until: dt.datetime, *, due: dt.datetime
    ) -> list[tuple[Span, str]]:
        """Return the parts of a span that no digest covers, each with what is known about why.

        Args:
            due: a digest that ends later may not be there yet.
        """
        found = []
        at = since
        for begin, end in self.merged():
            if begin > at + _TOUCH and begin > since:
                found.append(((at, min(begin, until)), self._why(begin, at == since)))
            at = max(at, end)
            if at >= until:
                break
        if at + _TOUCH < min(until, due):
            newest = self.newest
            why = (
                f"tail missing: the newest digest that holds ends at {newest:%Y-%m-%dT%H:%M:%SZ}"
                if newest
                else "no digest holds"
            )
            found.append(((at, until), why))
        return [(span, why) for span, why in found if span[0] < span[1]]

    def _why(self, begin: dt.datetime, first: bool) -> str:
        if begin in self.starts:
            return "the chain begins only then" if first else OFF
        return "the digests of this time are missing or do not hold"


def merge(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch or overlap joined."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1] + _TOUCH:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def covers(merged: list[Span], time: dt.datetime) -> bool:
    """Tell whether a time lies in one of the merged spans."""
    place = bisect.bisect_right(merged, time, key=lambda span: span[0]) - 1
    return place >= 0 and time <= merged[place][1]
