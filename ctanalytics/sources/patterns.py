"""Patterns of file names: `logs/**/2026/*.json.gz`, matched folder by folder."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAGIC: Final = re.compile(r"[*?\[]")
_ANY_DEPTH: Final = "**"

Steps = frozenset[int]
"""How many parts of a pattern a path may have matched; several, since `**` matches any number."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the names below a folder have to be, one part for each folder on the way.

    A pattern that matches a folder takes all files below it, as a shell's own expansion would.
    """

    parts: tuple[str, ...]

    def start(self) -> Steps:
        """Where matching begins, at the folder that the pattern starts from."""
        return self._closed((0,))

    def step(self, steps: Steps, name: str) -> Steps:
        """Go on with the next name of a path; empty: nothing there can match any more."""
        if self.taken(steps):
            return steps
        further = set()
        for place in steps:
            if self.parts[place] == _ANY_DEPTH:
                further.add(place)
            elif _matcher(self.parts[place])(name):
                further.add(place + 1)
        return self._closed(further)

    def taken(self, steps: Steps) -> bool:
        """Tell whether the path so far, or a folder of it, matches the whole pattern."""
        return len(self.parts) in steps

    def _closed(self, steps: Iterable[int]) -> Steps:
        found = set(steps)
        for place in sorted(found):
            while place < len(self.parts) and self.parts[place] == _ANY_DEPTH:
                place += 1
                found.add(place)
        return frozenset(found)


def split(text: str) -> tuple[Path, Pattern] | None:
    """Take a path with wildcards apart: the folder before the first of them, and the pattern.

    Returns:
        None when it has none. A file that is really called so is for the caller to see first.
    """
    parts = Path(text).parts
    first = next((place for place, part in enumerate(parts) if _MAGIC.search(part)), None)
    if first is None:
        return None
    return Path(*parts[:first]), Pattern(parts[first:])


@functools.lru_cache(maxsize=256)
def _matcher(part: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(fnmatch.translate(part)).match
