"""The walk back through one chain of digests, each vouched for by its signature and its successor."""

from __future__ import annotations

import dataclasses
import datetime as dt
import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Final

from ctanalytics.integrity.keys import Keys
from ctanalytics.integrity.locations import Locations
from ctanalytics.integrity.place import Entry, Place, Stored
from ctanalytics.integrity.signature import Judged, Link, judge, span_of
from ctanalytics.integrity.trails import Cell, ChainKey, stamp_of
from ctanalytics.integrity.verdict import Checked
from ctanalytics.records import object_key
from ctanalytics.records.digest import Digest
from ctanalytics.sources.base import Unread

AHEAD: Final = 32
"""Digests that are fetched while others are judged."""

_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """One digest of the walk."""

    checked: Checked
    digest: Digest | None = None
    trusted: bool = False
    """Whether what the digest says may be relied on."""

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime] | None:
        """The delivery times that it vouches for; None when it vouches for nothing."""
        return span_of(self.digest) if self.digest is not None and self.trusted else None


@dataclass(frozen=True)
class Walk:
    """What a walk needs."""

    place: Place
    pool: Executor
    keys: Keys
    locations: Locations
    cell: Cell
    chain: ChainKey

    def back(self, listed: Sequence[Entry], since: dt.datetime | None) -> Iterator[Step]:
        """Walk from the newest listed digest back to the first that ends after `since`.

        Every listed digest is judged by itself, and against what its successors say about it. A
        digest that a successor names and that is not listed is looked for where it should be.
        """
        ahead = _Ahead(self, listed)
        links: dict[tuple[str, str], list[Link]] = {}
        done: set[tuple[str, str]] = set()
        while (found := ahead.next()) is not None:
            place, coming = found
            if place in done:
                continue
            done.add(place)
            step = self._step(place, coming.result(), tuple(links.pop(place, ())))
            yield step
            judged = _link_of(step)
            if judged is None:
                continue
            target = self.locations.stored(judged.bucket, judged.key)
            end = object_key.parse(judged.key).stamp or _NEVER
            if since is not None and end <= since:
                continue
            if target is None:
                yield self._absent(judged, "it lies outside of this copy")
            else:
                links.setdefault(target, []).append(judged)
                ahead.add(target, end)

    def _step(
        self, place: tuple[str, str], stored: Stored | Unread, successors: tuple[Link, ...]
    ) -> Step:
        bucket, key = self.locations.original(place[1])
        if place[0] != self.locations.stored_bucket:
            bucket, key = place
        parsed = object_key.parse(key)
        base = Checked(
            kind="digest",
            verdict="missing",
            bucket=bucket or (successors[0].bucket if successors else ""),
            key=key,
            stored_bucket=place[0],
            stored_key=place[1],
            account_id=parsed.account_id or self.cell.home.account_id,
            aws_region=self.cell.aws_region,
            trail=self.chain.trail,
            backfill=self.chain.backfill,
            stamp=parsed.stamp,
        )
        if isinstance(stored, Unread):
            verdict = "missing" if stored.reason == "gone" else "unreadable"
            return Step(_with(base, Judged(verdict, stored.detail), None))  # type: ignore[arg-type]
        judged = judge(
            stored.data, stored.metadata, keys=self.keys, place=(bucket, key), successors=successors
        )
        return Step(_with(base, judged, stored.etag), judged.digest, judged.trusted)

    def _absent(self, link: Link, detail: str) -> Step:
        parsed = object_key.parse(link.key)
        return Step(
            Checked(
                kind="digest",
                verdict="missing",
                detail=detail,
                bucket=link.bucket,
                key=link.key,
                account_id=parsed.account_id or self.cell.home.account_id,
                aws_region=self.cell.aws_region,
                trail=self.chain.trail,
                backfill=self.chain.backfill,
                stamp=parsed.stamp,
            )
        )


def _with(base: Checked, judged: Judged, etag: str | None) -> Checked:
    digest = judged.digest
    span = span_of(digest) if digest is not None else None
    return dataclasses.replace(
        base,
        verdict=judged.verdict,
        detail=judged.detail,
        bucket=base.bucket or (digest.bucket if digest is not None and judged.trusted else ""),
        since=span[0] if span else None,
        until=span[1] if span else None,
        log_files=len(digest.log_files) if digest is not None and judged.trusted else None,
        sha256=judged.sha256,
        etag=etag,
    )


def _link_of(step: Step) -> Link | None:
    return Judged(step.checked.verdict, "", step.digest, trusted=step.trusted).link


@dataclass
class _Ahead:
    """The digests still to come, newest first, the next ones already on their way."""

    walk: Walk
    listed: Sequence[Entry]
    waiting: list[tuple[float, str, tuple[str, str]]] = field(default_factory=list)
    under_way: deque[tuple[float, str, tuple[str, str], Future[Stored | Unread]]] = field(
        default_factory=deque
    )
    known: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for entry in self.listed:
            self.add((self.walk.place.bucket, entry.key), stamp_of(entry))

    def add(self, place: tuple[str, str], end: dt.datetime) -> None:
        """Plan to read one more; what is known already is not read twice."""
        if place in self.known:
            return
        self.known.add(place)
        order = (-end.timestamp() if end != _NEVER else float("inf"), place[1])
        item = (*order, place)
        if self.under_way and item < self.under_way[-1][:3]:
            # It is newer than what is on its way: it must be judged before those.
            place_of = next(i for i, one in enumerate(self.under_way) if item < one[:3])
            self.under_way.insert(place_of, (*item, self._fetch(place)))
            return
        heapq.heappush(self.waiting, item)

    def next(self) -> tuple[tuple[str, str], Future[Stored | Unread]] | None:
        """Take the newest, and keep the next ones coming."""
        while self.waiting and len(self.under_way) < AHEAD:
            item = heapq.heappop(self.waiting)
            self.under_way.append((*item, self._fetch(item[2])))
        if not self.under_way:
            return None
        _, _, place, coming = self.under_way.popleft()
        return place, coming

    def _fetch(self, place: tuple[str, str]) -> Future[Stored | Unread]:
        return self.walk.pool.submit(self.walk.place.read, *place)
