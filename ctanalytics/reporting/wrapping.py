"""Lines of text whose letters may be twice as wide as others, and need no space to break at."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

_PARTS: Final = re.compile(r"\s+|[^\s\u3000-\u303f\u3040-\u30ff\u4e00-\u9fff\uff00-\uffef]+|.")
"""Spaces, words that stay whole, and single letters of Japanese."""

_NOT_FIRST: Final = frozenset("、。，．・）」』】：；！？ーぁぃぅぇぉっゃゅょァィゥェォッャュョ")
"""Marks that never begin a line."""


def wide(lines: Iterable[str], width: int) -> Iterator[str]:
    """Break lines at a number of columns; what goes on is indented by two more."""
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip(" ")))
        yield from _broken(line.strip(), width, indent) or [""]


def _broken(text: str, width: int, indent: str) -> list[str]:
    found: list[str] = []
    here = indent
    for part in _PARTS.findall(text):
        fits = columns(here + part.rstrip()) <= width
        if fits or not here.strip() or part in _NOT_FIRST:
            here += part
        else:
            found.append(here.rstrip())
            here = f"{indent}  {part.lstrip()}"
    return [*found, here.rstrip()] if here.strip() else found


def columns(text: str) -> int:
    """Count the columns that a text takes on a screen."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
