"""Matches what detectors found with what was published, so that an anomaly keeps its id.

Late logs move an anomaly's start and end, or take its reason away. What overlaps a published
anomaly of the same detector, kind and series, or lies within an hour of it, is that anomaly in a
new revision. A run judges only what it sees: of an anomaly that reaches beyond its window it says
no more than that it goes on for longer.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ctanalytics.detectors import insight
from ctanalytics.detectors.base import Window
from ctanalytics.findings import ANOMALIES, anomaly_id

NEAR: Final = dt.timedelta(minutes=60)
"""As far apart two anomalies of one series may lie and still be one."""

FIRM: Final = dt.timedelta(days=3)
"""What was published longer ago is not withdrawn, and what is found longer after is late."""

_MATTERS: Final = ("state", "started_at", "ended_at", "severity")
"""What makes a new revision, besides a score that moved by a tenth: texts and evidence follow."""

_GROUP: Final = ("detector", "kind", "series_key")
_MINUTE: Final = dt.timedelta(minutes=1)
_NONE: Final = dt.timedelta()

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run could see."""

    window: Window
    logs_until: dt.datetime
    """Where the lake's logs end; the window ends there or earlier."""
    now: dt.datetime
    detectors: frozenset[str]
    """Those that ran: the absence of another's anomalies means nothing."""


@dataclass(frozen=True, slots=True)
class Published:
    """What is in the lake."""

    anomalies: pa.Table
    """`findings.ANOMALIES`: the newest revision of each that may be near what was found."""
    history: pa.Table
    """anomaly_id, detector, published_at, revised_at: of all there ever were."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run adds."""

    rows: pa.Table
    """`findings.ANOMALIES`: first and further revisions."""
    new: int
    updated: int
    withdrawn: int
    """No longer found, or taken over by another."""


def revise(found: pa.Table, published: Published, run: Run) -> Changes:
    """Return the revisions that make what is published say what was found; none when it does."""
    matching = _Matching(run, published.history)
    groups: dict[tuple[Any, ...], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for row in found.to_pylist():
        groups[tuple(row[name] for name in _GROUP)][0].append(row)
    for row in published.anomalies.to_pylist():
        if row["detector"] in run.detectors:
            groups[tuple(row[name] for name in _GROUP)][1].append(row)
    rows = [
        row
        for _, (ours, theirs) in sorted(groups.items())
        for row in matching.group(_distinct(ours), theirs)
    ]
    rows.sort(key=lambda row: (row["started_at"], row["anomaly_id"]))
    withdrawn = sum(row["state"] == "withdrawn" for row in rows)
    new = sum(row["revision"] == 1 for row in rows)
    return Changes(
        pa.Table.from_pylist(rows, ANOMALIES), new, len(rows) - new - withdrawn, withdrawn
    )


def _distinct(found: Iterable[Row]) -> list[Row]:
    """One row for each start minute, as two would have one id; in the order of their starts."""
    rows: dict[dt.datetime, Row] = {}
    for row in found:
        score = round(row["score"], 6)
        minute = row["started_at"].replace(second=0, microsecond=0)
        if minute not in rows or score > rows[minute]["score"]:
            evidence = json.dumps(json.loads(row["evidence"]))
            rows[minute] = row | {"score": score, "evidence": evidence}
    return [rows[minute] for minute in sorted(rows)]


class _Matching:
    """The matching of one run; remembers which ids are taken."""

    def __init__(self, run: Run, history: pa.Table) -> None:
        self.run = run
        self.published_at: dict[str, dt.datetime] = {}
        self.last_run: dict[str, dt.datetime] = {}
        for row in history.to_pylist():
            self.published_at[row["anomaly_id"]] = row["published_at"]
            last = self.last_run.get(row["detector"], row["revised_at"])
            self.last_run[row["detector"]] = max(last, row["revised_at"])
        self.taken = set(self.published_at)

    def group(self, found: Sequence[Row], stored: Sequence[Row]) -> Iterator[Row]:
        """Yield the revisions of one detector, kind and series."""
        near: list[list[Row]] = [[] for _ in found]
        for one in stored:
            place = self._nearest(found, one)
            if place is not None:
                near[place].append(one)
        settled = set()
        for row, candidates in zip(found, near, strict=True):
            live = [one for one in candidates if one["state"] != "withdrawn"]
            keeper = min(live or candidates, key=lambda one: self._order(row, one), default=None)
            if keeper is None:
                yield self._new(row)
                continue
            settled.add(keeper["anomaly_id"])
            revised = self._revised(row, keeper)
            if revised is not None:
                yield revised
            for other in live:
                if other is not keeper and not self._gap(row, other):
                    settled.add(other["anomaly_id"])
                    yield self._next(other, state="withdrawn", superseded_by=keeper["anomaly_id"])
        for one in stored:
            if one["anomaly_id"] not in settled and one["state"] != "withdrawn":
                yield from self._lost(one)

    def _nearest(self, found: Sequence[Row], stored: Row) -> int | None:
        """The place of the found anomaly that a published one is nearest to, if any is near."""
        start = stored["started_at"]
        places = [place for place, row in enumerate(found) if self._gap(row, stored) <= NEAR]
        return min(
            places,
            key=lambda place: (
                self._gap(found[place], stored),
                abs(found[place]["started_at"] - start),
                place,
            ),
            default=None,
        )

    def _order(self, found: Row, stored: Row) -> tuple[dt.timedelta, dt.datetime, str]:
        """The nearest published anomaly keeps its id; of several that are touched, the oldest."""
        return self._gap(found, stored), stored["started_at"], stored["anomaly_id"]

    def _gap(self, found: Row, stored: Row) -> dt.timedelta:
        """How much time lies between two spans; none when they touch."""
        end = found["ended_at"] or self.run.window.until
        before: dt.timedelta = found["started_at"] - self._known_end(stored)
        after: dt.timedelta = stored["started_at"] - max(end, found["started_at"])
        return max(before, after, _NONE)

    def _known_end(self, stored: Row) -> dt.datetime:
        """When an anomaly ended; of one that went on, until when that was known at most."""
        known = max(min(self.run.logs_until, stored["detected_at"]), stored["started_at"] + _MINUTE)
        end: dt.datetime = stored["ended_at"] or known
        return end

    def _sees_start(self, stored: Row) -> bool:
        return bool(stored["started_at"] >= self.run.window.since)

    def _sees_end(self, stored: Row) -> bool:
        return self._known_end(stored) <= self.run.window.until

    def _new(self, found: Row) -> Row:
        row = found | {"revision": 1, "superseded_by": None, "detected_at": self.run.now}
        if self._is_late(found):
            row = _with_late(row)
        return self._named(row, self._free_id(found))

    def _free_id(self, found: Row) -> str:
        """The id of a new anomaly. One whose start moved away keeps the id of its first start."""
        detector, kind, key = (found[name] for name in _GROUP)
        identity, number = anomaly_id(detector, kind, key, found["started_at"]), 1
        while identity in self.taken:
            number += 1
            identity = anomaly_id(detector, kind, f"{key}\x1e{number}", found["started_at"])
        self.taken.add(identity)
        return identity

    def _is_late(self, found: Row) -> bool:
        """Whether the detector had looked at the time of a new anomaly, days after it ended."""
        last = self.last_run.get(found["detector"])
        ended = found["ended_at"]
        return (
            last is not None
            and ended is not None
            and found["started_at"] < self.run.now - FIRM
            and last > ended + FIRM
        )

    def _revised(self, found: Row, stored: Row) -> Row | None:
        """The next revision of a published anomaly, unless it says the same."""
        row = found | {
            "revision": stored["revision"] + 1,
            "superseded_by": None,
            "detected_at": self.run.now,
        }
        if json.loads(stored["evidence"]).get("late"):
            row = _with_late(row)
        row = self._named(row, stored["anomaly_id"])
        if stored["state"] != "withdrawn":
            spans = self._joined(found, stored)
            whole = self._sees_start(stored) and self._sees_end(stored)
            if not whole and all(spans[name] == stored[name] for name in spans):
                return None
            row |= spans
        same = all(row[name] == stored[name] for name in _MATTERS)
        return None if same and round(row["score"], 1) == round(stored["score"], 1) else row

    def _joined(self, found: Row, stored: Row) -> Row:
        """State and span as found, but for the ends of the published one that the run can't see."""
        start, state, end = found["started_at"], found["state"], found["ended_at"]
        if not self._sees_start(stored):
            start = min(start, stored["started_at"])
            if end is not None and stored["ended_at"] is not None:
                end = max(end, stored["ended_at"])
        if not self._sees_end(stored):
            state, end = stored["state"], stored["ended_at"]
        return {"started_at": start, "state": state, "ended_at": end}

    def _lost(self, stored: Row) -> Iterator[Row]:
        """What becomes of a published anomaly that is not found."""
        window, now = self.run.window, self.run.now
        if not self._sees_end(stored):
            return
        if stored["started_at"] < window.since:
            if stored["ended_at"] is None:
                # A detector tells all that reaches into its window.
                end = min(self._known_end(stored), window.since)
                yield self._next(stored, state="closed", ended_at=end)
        elif now - self.published_at[stored["anomaly_id"]] <= FIRM:
            yield self._next(stored, state="withdrawn")

    def _next(self, stored: Row, **changes: Any) -> Row:
        revision = {"revision": stored["revision"] + 1, "detected_at": self.run.now}
        return stored | revision | changes

    def _named(self, row: Row, identity: str) -> Row:
        """The row under an id, which its Insights records carry on."""
        if row["anomaly_id"] == identity:
            return row
        records = row["insight"]
        if records is not None:
            records = json.dumps(insight.renamed(json.loads(records), identity))
        return row | {"anomaly_id": identity, "insight": records}


def _with_late(row: Row) -> Row:
    return row | {"evidence": json.dumps(json.loads(row["evidence"]) | {"late": True})}
