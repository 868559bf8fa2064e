"""Records into log files, in CloudTrail's rhythm: five-minute stamps, lag, disorder, duplicates.

Source of the figures: stamp minus eventTime in live sets has a median of 191 to 201 s, a 99th
percentile of 505 to 542 s and a maximum of 608 s; a few records come hours late.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from isal import igzip

from ctanalytics.records import object_key
from ctanalytics.simulator.columns import Times
from ctanalytics.simulator.organization import token
from ctanalytics.simulator.plan import Plan
from ctanalytics.simulator.rendering import Records

DUPLICATED: Final = 0.0015
"""Share of records that are delivered twice, byte for byte the same."""
DELAYED: Final = 0.0001
"""Share of records that come hours late, with an addendum that says so."""
FILE_BYTES: Final = 40_000_000
"""A file is split beyond this; CloudTrail's limit is 50 MB before compression."""

_LAG_MEDIAN, _LAG_SPREAD, _LAG_MOST = 25.0, 1.3, 308.0
_DISORDER_SECONDS: Final = 40.0
_ADDENDUM: Final = ',"addendum":{"reason":"DELIVERY_DELAY"}}'
_GZIP_LEVEL: Final = 3
_NAME_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class DeliveredFile(msgspec.Struct, frozen=True, array_like=True):
    """A log file that was written."""

    account_id: str
    region: str
    stamp: int
    """When it was delivered, seconds since 1970."""
    key: str
    sha256: str
    records: int
    size_bytes: int
    content_bytes: int
    oldest: int
    newest: int


class Delivery:
    """Takes records in order of time, and writes each file once all its records are there."""

    def __init__(self, plan: Plan, place: int, out: Path, *, file_bytes: int = FILE_BYTES) -> None:
        """Deliver the records of one day of a plan into a folder."""
        self._file_bytes = file_bytes
        self._plan = plan
        self._place = place
        self._out = out
        self._step = plan.file_minutes * 60
        self._rng = np.random.default_rng(int.from_bytes(token(plan.seed, "delivery", place)[:16]))
        self._cells: dict[tuple[str, str], int] = {}
        self._texts: list[str] = []
        self._rows = np.empty((4, 0), np.int64)  # cell, stamp, order, time
        self._waiting: list[np.ndarray] = []

    def add(self, records: Records) -> None:
        """Take records; when and in which place each is delivered is drawn here."""
        times, count = records.times, len(records.times)
        cell = self._cells.setdefault(records.cell, len(self._cells))
        lag = np.minimum(self._rng.lognormal(np.log(_LAG_MEDIAN), _LAG_SPREAD, count), _LAG_MOST)
        chance = self._rng.random(count)
        texts = records.texts
        late = np.flatnonzero(chance > 1 - DELAYED)
        if len(late):
            lag[late] += self._rng.uniform(3_600, 72_000, len(late))
            texts = list(texts)
            for place in late.tolist():
                texts[place] = texts[place][:-1] + _ADDENDUM
        order = times + self._rng.normal(0, _DISORDER_SECONDS, count).astype(np.int64)
        self._take(cell, texts, self._stamps(times + lag), order, times)
        again = np.flatnonzero(chance < DUPLICATED)
        if len(again):
            more = self._rng.uniform(self._step, 2 * self._step + 600, len(again))
            copies = [texts[place] for place in again.tolist()]
            stamps = self._stamps(times[again] + lag[again] + more)
            self._take(cell, copies, stamps, order[again], times[again])

    def write(self, until: int | None = None) -> Iterator[DeliveredFile]:
        """Write the files with stamps up to a second; None: all that wait."""
        rows = np.concatenate([self._rows, *self._waiting], axis=1)
        self._waiting = []
        if until is not None and until < rows[1].max(initial=0):
            ready = rows[1] <= until
            done, rest = np.flatnonzero(ready), np.flatnonzero(~ready)
        else:
            done, rest = np.arange(rows.shape[1]), np.empty(0, np.int64)
        texts = self._texts
        self._texts = [texts[place] for place in rest.tolist()]
        self._rows = rows[:, rest]
        done = done[np.lexsort((done, rows[2, done], rows[1, done], rows[0, done]))]
        cells, stamps = rows[0, done], rows[1, done]
        edges = np.flatnonzero((np.diff(cells) != 0) | (np.diff(stamps) != 0)) + 1
        names = list(self._cells)
        for part in np.split(done, edges):
            if len(part):
                place = int(part[0])
                yield from self._files(
                    names[int(rows[0, place])],
                    int(rows[1, place]),
                    [texts[row] for row in part.tolist()],
                    rows[3, part],
                )

    def _stamps(self, delivered: np.ndarray) -> Times:
        return (np.ceil(delivered / self._step) * self._step).astype(np.int64)

    def _take(
        self, cell: int, texts: Sequence[str], stamps: Times, order: Times, times: Times
    ) -> None:
        self._texts += texts
        self._waiting.append(np.stack((np.full(len(texts), cell), stamps, order, times)))

    def _files(
        self, cell: tuple[str, str], stamp: int, texts: list[str], times: Times
    ) -> Iterator[DeliveredFile]:
        ends = np.cumsum([len(text) + 1 for text in texts]) // self._file_bytes
        for part, places in enumerate(
            np.split(np.arange(len(texts)), np.flatnonzero(np.diff(ends)) + 1)
        ):
            yield self._file(
                cell, stamp, part, [texts[place] for place in places.tolist()], times[places]
            )

    def _file(
        self, cell: tuple[str, str], stamp: int, part: int, texts: list[str], times: Times
    ) -> DeliveredFile:
        account_id, region = cell
        key = object_key.log_key(
            account_id=account_id,
            aws_region=region,
            delivered=dt.datetime.fromtimestamp(stamp, dt.UTC),
            unique=_unique(self._plan.seed, account_id, region, stamp, self._place, part),
            organization=self._plan.organization_id,
        )
        content = ('{"Records":[' + ",".join(texts) + "]}").encode()
        packed = pack(content)
        path = self._out / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed)
        return DeliveredFile(
            account_id,
            region,
            stamp,
            key,
            hashlib.sha256(content).hexdigest(),
            len(texts),
            len(packed),
            len(content),
            int(times.min()),
            int(times.max()),
        )


def pack(content: bytes) -> bytes:
    """Compress as one gzip member, the same bytes each time."""
    return igzip.compress(content, _GZIP_LEVEL, mtime=0)


def _unique(*parts: object) -> str:
    digits = token("file", *parts)
    return "".join(_NAME_LETTERS[byte % len(_NAME_LETTERS)] for byte in digits[:16])
