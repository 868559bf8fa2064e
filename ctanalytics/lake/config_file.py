"""Cuts the configuration items out of a file of AWS Config while it is still being unpacked.

A snapshot names every resource of a region, and may unpack to gigabytes: no more of it is held
than one item and the piece at hand. Brackets are counted for a whole piece at a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from ctanalytics.lake.inflate import GZIP_MAGIC, IsalError

PIECE_BYTES: Final = 4 * 1024 * 1024
MAX_ITEM_BYTES: Final = 32 * 1024 * 1024
"""Of one item; the largest that Config sends by itself has 256 KB, histories have some of MB."""
MAX_FILE_BYTES: Final = 16 * 1024 * 1024 * 1024
"""Unpacked; a file that goes on for longer is a gzip bomb, not a snapshot."""

_GAP_BYTES: Final = 256
_KEY = re.compile(rb'"(configurationItems?)"\s*:\s*\Z')
_QUOTE, _BACKSLASH = 34, 92
_OPEN, _CLOSE = (123, 91), (125, 93)

Places = npt.NDArray[np.int64]


class DamagedError(Exception):
    """The file can't be read to its end: the word for the quarantine, and what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass
class Unpacked:
    """The pieces of an object's content, with what is known of all of it at the end."""

    data: bytes
    size: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """Of what was unpacked so far."""
        return str(self._hash.hexdigest())

    def pieces(self) -> Iterator[bytes]:
        """Yield the content piece by piece.

        Raises:
            DamagedError: the gzip stream is damaged, ends early, is followed by something, or is
                larger than any snapshot.
        """
        pieces = self._inflated() if self.data.startswith(GZIP_MAGIC) else self._plain()
        for piece in pieces:
            self.size += len(piece)
            self._hash.update(piece)
            if self.size > MAX_FILE_BYTES:
                raise DamagedError("too_large", f"it unpacks to more than {MAX_FILE_BYTES} bytes")
            yield piece

    def _plain(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), PIECE_BYTES):
            yield self.data[start : start + PIECE_BYTES]

    def _inflated(self) -> Iterator[bytes]:
        stream = isal_zlib.decompressobj(wbits=31)
        waiting: bytes = self.data
        try:
            while waiting and not stream.eof:
                piece = stream.decompress(waiting, PIECE_BYTES)
                waiting = stream.unconsumed_tail
                if piece:
                    yield piece
        except IsalError as error:
            raise DamagedError("corrupt", f"the gzip stream is damaged: {error}") from error
        if not stream.eof:
            raise DamagedError("truncated", "the gzip stream ends early")
        if stream.unused_data:
            behind = len(stream.unused_data)
            raise DamagedError(
                "trailing_data", f"{behind} bytes follow the gzip member of the file"
            )


@dataclass
class Cutter:
    """Takes a JSON text in pieces, and gives the items in it as they end.

    What a file of Config is: an object with a list `configurationItems`, or (of one oversized
    change) an object `configurationItem`.
    """

    found: bool = False
    """Whether the file names configuration items at all."""
    too_large: int = 0
    """Items that were passed over for their size."""
    _held: bytearray = field(default_factory=bytearray)
    _depth: int = 0
    _in_text: bool = False
    _escaped: bool = False
    """Whether the first byte of the next piece stands behind a backslash."""
    _start: int | None = None
    """Where in `_held` the item under way begins."""
    _mark: int = 0
    """Where in `_held` the text after the last bracket begins."""
    _level: int = 0
    """The depth at which items lie; 0: outside of any."""
    _passing: bool = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take a piece; yield the texts of the items that end in it."""
        base = len(self._held)
        self._held += piece
        for place, opens, depth in self._brackets(piece):
            item = self._step(base + place, opens=opens, depth=depth)
            if item is not None:
                yield item
        self._let_go()

    def fault(self) -> str | None:
        """Tell what is wrong with the whole, once all pieces are in; None when it is well-formed."""
        if self._depth or self._in_text:
            return "the file ends early, or its brackets don't pair"
        return None

    def _step(self, place: int, *, opens: bool, depth: int) -> bytes | None:
        """Take note of one bracket; returns the item that ends with it."""
        item = None
        if opens and self._level and depth == self._level:
            self._start = place
        elif opens and depth == 2:
            self._enter(place)
        elif not opens and self._level and depth == self._level - 1:
            item = self._ended(place)
        if not opens and depth == 1:
            self._level = 0
        self._mark = place + 1
        return item

    def _enter(self, place: int) -> None:
        """See whether a member of the whole begins here that holds items."""
        key = _KEY.search(self._held, max(self._mark, place - _GAP_BYTES), place)
        if key is None:
            return
        several = key[1] == b"configurationItems"
        if several != (self._held[place] == _OPEN[1]):
            return
        self.found = True
        self._level = 3 if several else 2
        if not several:
            self._start = place

    def _ended(self, place: int) -> bytes | None:
        start, self._start = self._start, None
        if self._passing or start is None:
            self._passing = False
            return None
        return bytes(self._held[start : place + 1])

    def _let_go(self) -> None:
        """Forget what is behind: all but the item under way, or the little that may hold a key."""
        if self._start is not None and len(self._held) - self._start > MAX_ITEM_BYTES:
            self.too_large += not self._passing
            self._passing = True
        keep = self._start
        if keep is None or self._passing:
            keep = max(self._mark, len(self._held) - _GAP_BYTES)
        del self._held[:keep]
        self._mark = max(self._mark - keep, 0)
        if self._start is not None:
            self._start = max(self._start - keep, 0)

    def _brackets(self, piece: bytes) -> Iterator[tuple[int, bool, int]]:
        """Yield place, whether it opens, and the depth, of each bracket near the surface."""
        octets = np.frombuffer(piece, np.uint8)
        quotes = np.flatnonzero(octets == _QUOTE)
        quotes = self._unescaped(octets, quotes)
        opening = (octets == _OPEN[0]) | (octets == _OPEN[1])
        closing = (octets == _CLOSE[0]) | (octets == _CLOSE[1])
        places = np.flatnonzero(opening | closing)
        inside = (np.searchsorted(quotes, places) + self._in_text) % 2 == 1
        places = places[~inside]
        opens = opening[places]
        after = self._depth + np.cumsum(np.where(opens, 1, -1))
        self._in_text = bool((len(quotes) + self._in_text) % 2)
        if len(after):
            self._depth = int(after[-1])
        near = np.where(opens, after <= 3, after <= 2)
        yield from zip(
            places[near].tolist(), opens[near].tolist(), after[near].tolist(), strict=True
        )

    def _unescaped(self, octets: npt.NDArray[np.uint8], quotes: Places) -> Places:
        """Leave out quotes behind an odd number of backslashes."""
        slashes = np.flatnonzero(octets == _BACKSLASH)
        escaped = np.zeros(len(octets) + 1, np.bool_)
        carried, self._escaped = self._escaped, False
        if carried and not (len(slashes) and slashes[0] == 0):
            escaped[0] = True
        if len(slashes):
            firsts = np.flatnonzero(np.diff(slashes, prepend=slashes[0] - 2) != 1)
            lengths = np.diff(np.append(firsts, len(slashes)))
            if carried and slashes[0] == 0:
                lengths[0] += 1
            ends = slashes[firsts] + np.diff(np.append(firsts, len(slashes)))
            escaped[ends[lengths % 2 == 1]] = True
            self._escaped = bool(escaped[-1])
        return quotes[~escaped[quotes]]
