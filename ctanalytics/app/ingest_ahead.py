"""Reads a listing ahead: how much there is to do is known, and agreed to, before it is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, Final, Self

import msgspec

_IN_MEMORY: Final = 32 * 1024 * 1024


class Ahead:
    """Objects of a listing that were read ahead, on disk when they are many.

    Args:
        objects: the listing.
        limit: so many are read ahead; what comes after them is left in the listing.
        seen: is told how many there are, now and then.
    """

    def __init__(
        self,
        objects: Iterator[dict[str, Any]],
        limit: int,
        seen: Callable[[int], None] | None = None,
    ) -> None:
        self.count = 0
        self.size = 0
        self.complete = True
        self._rest = objects
        self._file = SpooledTemporaryFile(_IN_MEMORY, prefix="ctanalytics-")  # noqa: SIM115 - closed with this object
        try:
            self._read(limit, seen)
        except BaseException:
            self._file.close()
            raise

    def _read(self, limit: int, seen: Callable[[int], None] | None) -> None:
        for found in self._rest:
            self._file.write(msgspec.json.encode(found) + b"\n")
            self.count += 1
            self.size += found["size_bytes"]
            if seen and self.count % 1_000 == 0:
                seen(self.count)
            if self.count > limit:
                self.complete = False
                break

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the objects, once: those read ahead, then those still in the listing."""
        self._file.seek(0)
        for line in self._file:
            yield msgspec.json.decode(line)
        yield from self._rest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
