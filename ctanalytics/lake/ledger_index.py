"""What the ledger says of each object, in 53 bytes: ten million objects fit half a gigabyte.

Names and ETags are kept as 64-bit hashes, seeded anew by each process. An object is taken for a
known one when the hashes of its name and of its ETag are those of one row.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

_SHARDS: Final = 16
_SHARD_SHIFT: Final = np.uint64(60)
_SHA_WORDS: Final = 4
_SHA_DIGITS: Final = 64
_UNREAD: Final = "0" * _SHA_DIGITS

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Level:
    """Rows by the hash of their object's name: in an index ascending, and each hash once."""

    names: Words
    etags: Words
    states: npt.NDArray[np.uint8]
    plans: npt.NDArray[np.uint32]
    sums: Words
    """SHA-256 of the last content that was read, four words a row; zeros: none was."""

    def __len__(self) -> int:
        return len(self.names)

    def cut(self) -> list[Level]:
        """Return the rows of each shard, in their order."""
        shards = self.names >> _SHARD_SHIFT
        return [
            Level(
                self.names[own], self.etags[own], self.states[own], self.plans[own], self.sums[own]
            )
            for own in (np.flatnonzero(shards == shard) for shard in range(_SHARDS))
        ]


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the objects that were asked for, in their order."""

    known: npt.NDArray[np.bool_]
    etags: Words
    states: npt.NDArray[np.uint8]
    sums: Words

    def sha256(self, place: int) -> str | None:
        """The hexadecimal digits of an object's last content."""
        digits = self.sums[place].tobytes().hex()
        return None if digits == _UNREAD else digits


@dataclass
class Index:
    """Rows by shards of their names' hashes, in levels, the newest last.

    A plan's rows go before those of all plans before it. A level that is not much larger than the
    next one is merged with it, so that there are few of them and each row is moved a few times
    only; shard by shard, so that little is there twice.
    """

    _shards: list[list[Level]] = field(default_factory=lambda: [[] for _ in range(_SHARDS)])
    _state_names: list[str] = field(default_factory=list)
    _seed: int = field(default_factory=lambda: secrets.randbits(63), repr=False)

    def __len__(self) -> int:
        return sum(len(level) for levels in self._shards for level in levels)

    def replace(self, rows: Iterable[Level]) -> None:
        """Keep these rows, of any plans in any order, instead of all others."""
        self._shards = [[] for _ in range(_SHARDS)]
        for part in rows:
            for levels, own in zip(self._shards, part.cut(), strict=True):
                levels.append(own)
        for levels in self._shards:
            levels[:] = [_newest(levels)] if levels else []

    def add(self, rows: Level) -> None:
        """Add the rows of plans that are newer than all that are here."""
        for levels, own in zip(self._shards, rows.cut(), strict=True):
            levels.append(_newest([own]))
            while len(levels) > 1 and len(levels[-2]) <= 2 * len(levels[-1]):
                newer, older = levels.pop(), levels.pop()
                levels.append(_newest([older, newer]))

    def rows(self, frame: pl.DataFrame) -> Level:
        """Return rows of the ledger as the index keeps them, in the order given.

        Args:
            frame: bucket, key, etag, state, sha256, plan_id.
        """
        digits = frame["sha256"].fill_null(_UNREAD).to_list()
        sums = np.frombuffer(bytes.fromhex("".join(digits)), np.uint64)
        return Level(
            self.names(frame),
            self.etags(frame["etag"]),
            self._codes(frame["state"]),
            frame["plan_id"].cast(pl.UInt32).to_numpy(),
            sums.reshape(-1, _SHA_WORDS),
        )

    def names(self, frame: pl.DataFrame) -> Words:
        """Return the hashes of objects.

        Args:
            frame: bucket, key.
        """
        return self._hashes(frame.select(pl.col("bucket", "key").cast(pl.String)))

    def etags(self, values: pl.Series) -> Words:
        """Return the hashes of ETags; an absent one is an empty one."""
        return self._hashes(values.cast(pl.String).fill_null("").to_frame())

    def _hashes(self, frame: pl.DataFrame) -> Words:
        return frame.hash_rows(self._seed).to_numpy()

    def find(self, names: Words) -> Found:
        """Look objects up by the hashes of their names."""
        size = len(names)
        known = np.zeros(size, np.bool_)
        etags, states = np.zeros(size, np.uint64), np.zeros(size, np.uint8)
        sums = np.zeros((size, _SHA_WORDS), np.uint64)
        shards = names >> _SHARD_SHIFT
        for shard, levels in enumerate(self._shards):
            own = np.flatnonzero(shards == shard)
            for level in filter(len, levels):  # the newest last, and its word stays
                places = np.searchsorted(level.names, names[own])
                places[places == len(level)] = 0
                same = level.names[places] == names[own]
                here, at = own[same], places[same]
                known[here], etags[here], states[here] = True, level.etags[at], level.states[at]
                read = level.sums[at].any(axis=1)
                sums[here[read]] = level.sums[at[read]]
        return Found(known, etags, states, sums)

    def state(self, code: int) -> str:
        """Return the name of a state."""
        return self._state_names[code]

    def codes(self, names: frozenset[str]) -> list[int]:
        """Return the codes of states, as far as any row has them."""
        return [code for code, name in enumerate(self._state_names) if name in names]

    def _codes(self, values: pl.Series) -> npt.NDArray[np.uint8]:
        for name in values.unique().sort():
            if name not in self._state_names:
                self._state_names.append(name)
        codes = {name: code for code, name in enumerate(self._state_names)}
        return values.replace_strict(codes, return_dtype=pl.UInt8).to_numpy()


def _newest(parts: list[Level]) -> Level:
    """Sort rows by their names' hashes; of one object the newest stays.

    A row that read nothing (denied, changed under our hands) knows no content: it takes that of the
    newest row before it that does.
    """
    names = np.concatenate([part.names for part in parts])
    plans = np.concatenate([part.plans for part in parts])
    # Stable, so that of one plan's rows the later one is the newer.
    order = np.lexsort((plans, names))
    names, plans = names[order], plans[order]
    ends = np.append(names[1:] != names[:-1], [True]) if len(names) else np.zeros(0, np.bool_)
    last = np.flatnonzero(ends)
    sums = np.concatenate([part.sums for part in parts])
    source = order[last]
    if len(last) < len(names):
        begins = np.concatenate(([0], last[:-1] + 1))
        read = np.where(sums[order].any(axis=1), np.arange(len(names)), -1)
        newest = np.maximum.reduceat(read, begins)
        source = order[np.where(newest >= begins, newest, last)]
    sums = sums[source]
    order = order[last]
    return Level(
        names[last],
        np.concatenate([part.etags for part in parts])[order],
        np.concatenate([part.states for part in parts])[order],
        plans[last],
        sums,
    )
