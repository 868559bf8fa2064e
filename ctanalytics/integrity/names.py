"""Which files digests list, in eight bytes each: a year of a busy region fits in memory."""

from __future__ import annotations

import hashlib
import secrets
from array import array
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass
class Names:
    """A set of names; the hash is keyed anew each run, so that nobody can make two names alike."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)
    _hashes: array[int] = field(default_factory=lambda: array("Q"), repr=False)
    _sorted: npt.NDArray[np.uint64] | None = field(default=None, init=False, repr=False)

    def add(self, name: str) -> None:
        """Take in a name."""
        self._hashes.append(self._hash(name))
        self._sorted = None

    def __contains__(self, name: str) -> bool:
        if self._sorted is None:
            self._sorted = (
                np.sort(np.frombuffer(self._hashes, np.uint64))
                if self._hashes
                else (np.zeros(0, np.uint64))
            )
        wanted = np.uint64(self._hash(name))
        place = int(np.searchsorted(self._sorted, wanted))
        return place < len(self._sorted) and bool(self._sorted[place] == wanted)

    def _hash(self, name: str) -> int:
        encoded = name.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(encoded, digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "little")
