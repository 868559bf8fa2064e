"""Which series of a kind a part has: all from one key up to another, or a few by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics.detectors.numbering import Numbering, texts_of
from ctanalytics.detectors.series import Axis, Bools
from ctanalytics.detectors.series_parts import SpreadState
from ctanalytics.records.series_tables import KEYS

MOST_SERIES: Final = 20_000
"""Of a part, about: a fortnight of a series takes its worker some 87 kB (docs/scale.md)."""

Key = tuple[str | None, ...]
"""The columns KEYS of a series; null comes before any text."""


@dataclass(frozen=True)
class Between:
    """The series from one key on, up to another: `some_rows.Some`."""

    first: Key | None
    """None: from the very first on."""
    after: Key | None

    def part(self) -> dict[str, Any]:
        """Return it for the text of a part; see `of`."""
        return {"first": self.first, "after": self.after}

    @classmethod
    def of(cls, part: dict[str, Any]) -> Between:
        """The opposite of `part`."""
        return cls(
            *(None if (key := part[end]) is None else tuple(key) for end in ("first", "after"))
        )

    def may_hold(self, least: str, most: str) -> bool:
        """As `some_rows.Some`."""
        below = self.first is not None and self.first[0] is not None and most < self.first[0]
        above = self.after is not None and (self.after[0] is None or least > self.after[0])
        return not (below or above)

    def mask(self, keys: pa.Table) -> Bools:
        """As `some_rows.Some`; of rows that name an account alone, all accounts with such series."""
        found = np.ones(keys.num_rows, np.bool_)
        whole = keys.num_columns == len(KEYS)
        if self.first is not None:
            found &= _order(keys, self.first) >= 0
        if self.after is not None:
            order = _order(keys, self.after)
            found &= order < 0 if whole else order <= 0
        return found


@dataclass(frozen=True)
class Among:
    """Some series by their keys: `some_rows.Some`."""

    series: Numbering
    accounts: Numbering

    @classmethod
    def of(cls, keys: pa.Table) -> Among:
        """Take them from a table with the columns KEYS."""
        return cls(Numbering.of([keys], KEYS), Numbering.of([keys], KEYS[:1]))

    def may_hold(self, least: str, most: str) -> bool:
        """As `some_rows.Some`."""
        (known,) = self.accounts.values
        inside = pc.and_(pc.greater_equal(known, least), pc.less_equal(known, most))
        return bool(pc.any(inside).as_py())

    def mask(self, keys: pa.Table) -> Bools:
        """As `some_rows.Some`; of rows that name an account alone, all of these accounts."""
        known = self.series if keys.num_columns == len(KEYS) else self.accounts
        return known.places(keys) >= 0


def _order(keys: pa.Table, bound: Key) -> npt.NDArray[np.int8]:
    """Whether each row comes before a key (-1), after it (1), or has its first columns (0)."""
    found = np.zeros(keys.num_rows, np.int8)
    for name, value in zip(keys.column_names, bound, strict=False):
        found = np.where(found == 0, _compared(keys[name], value), found)
    return found


def _compared(column: pa.ChunkedArray, value: str | None) -> npt.NDArray[np.int8]:
    known = texts_of(column)
    if value is None:
        order = np.ones(len(known.dictionary), np.int8)
        of_null = 0
    else:
        more, less = (
            compare(known.dictionary, value).to_numpy(zero_copy_only=False).astype(np.int8)
            for compare in (pc.greater, pc.less)
        )
        order, of_null = more - less, -1
    at = known.indices.fill_null(len(order)).to_numpy(zero_copy_only=False)
    found: npt.NDArray[np.int8] = np.append(order, np.int8(of_null))[at]
    return found


def blocks(state: SpreadState, kind: str, axis: Axis) -> list[Between]:
    """Cut the series of a kind into blocks that workers judge, in the order of their keys; none
    where it is no more than a part.

    Args:
        state: its days are up to date.
    """
    store, own = state.spread.store, state.derived
    sizes = {date: own.size("series_day", date, kind) for date in axis.dates(0, axis.days)}
    if store is None or sum(sizes.values()) == 0:
        return []
    largest = max(sizes, key=lambda date: (sizes[date], date))
    with store.open_parquet(own.place("series_day", largest, kind)) as file:
        rows = file.metadata.num_rows
        parts = math.ceil(max(sum(sizes.values()) / state.spread.part_bytes, rows / MOST_SERIES))
        if min(parts, rows) < 2:
            return []
        keys = file.read(list(KEYS), use_threads=False)
    return _cut(keys, parts)


def _cut(keys: pa.Table, parts: int) -> list[Between]:
    """Blocks with about as many of these rows each, which are in the order of their keys."""
    places = sorted({keys.num_rows * part // parts for part in range(1, parts)} - {0})
    cuts: list[Key] = [tuple(keys[name][place].as_py() for name in KEYS) for place in places]
    ordered = sorted(set(cuts), key=lambda key: [(text is not None, text or "") for text in key])
    ends: Sequence[Key | None] = [None, *ordered, None]
    return [Between(first, after) for first, after in pairwise(ends)]
