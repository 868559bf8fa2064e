"""What the pages that people read tell them to type: commands, SQL, settings, Python."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "README.ja.md", *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")))
"""All pages, by their paths from the root of the repository."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(ctanalytics [^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block, or one piece of code within a sentence."""

    page: str
    line: int
    kind: str
    """The language behind the fence; empty when there is none."""
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*kinds: str, pages: tuple[str, ...] = PAGES) -> list[Block]:
    """Return the fenced blocks of these languages."""
    return [block for page in pages for block in _all(page) if block.kind in kinds]


def mentions() -> list[Block]:
    """Return what stands as code within sentences and is a call of ctanalytics."""
    return [
        Block(page, _line(text, found.start()), "", " ".join(found[1].split()))
        for page in PAGES
        for text in [_BLOCK.sub(_blank, _text(page))]
        for found in _INLINE.finditer(text)
    ]


def commands(*pages: str) -> list[list[str]]:
    """Return the words of each command in the unnamed and `sh` blocks, comments left out."""
    return [
        words
        for block in blocks("", "sh", pages=pages)
        for line in block.text.replace("\\\n", " ").splitlines()
        for words in [_words(line)]
        if words
    ]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # a formula, or JSON over several lines
        return []


def _all(page: str) -> Iterator[Block]:
    text = _text(page)
    for found in _BLOCK.finditer(text):
        yield Block(page, _line(text, found.start()), found[1], found[2])


def _text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")
