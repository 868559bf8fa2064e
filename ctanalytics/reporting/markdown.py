"""Log text in Markdown: shown as it is, never read as markup, link or table."""

from __future__ import annotations

import re

from ctanalytics import untrusted

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_NOT_FOR_CODE = re.compile(r"[`|\\\n\r]")
_HARMLESS_INSIDE = frozenset(",;'%/=\"?!-+(")
_HARMLESS_AT_END = frozenset(".:)")


class Raw(str):
    """Text that is Markdown already."""

    __slots__ = ()


def text(value: str) -> Raw:
    """Escape prose: every punctuation mark that could begin markup, a link or an entity there.

    A full stop or colon stays only at the end of a word or in a number: readers make links of
    www.example and http:example.
    """
    line = re.sub(r" {2,}", " ", untrusted.one_line(value, limit=2_000))
    return Raw(_PUNCTUATION.sub(lambda match: _escaped(line, match.start()), line))


def _escaped(line: str, place: int) -> str:
    mark, before, after = line[place], line[:place].strip(), line[place + 1 : place + 2]
    if before and mark in _HARMLESS_INSIDE:
        return mark
    if before and mark in _HARMLESS_AT_END:
        in_number = line[place - 1].isdigit() and after.isdigit()
        at_end = (not after or after == " ") and not before.isdigit()
        if in_number or at_end:
            return mark
    return "\\" + mark


def code(value: str) -> Raw:
    """Show an identifier as code; one that could leave its code span is escaped instead."""
    line = untrusted.one_line(value, limit=500)
    if not line.strip() or _NOT_FOR_CODE.search(line):
        return text(value)
    return Raw(f"`{line}`")


def block(value: str, language: str = "") -> Raw:
    """Fence a text with more backticks than it has in a row."""
    body = untrusted.terminal(value, limit=20_000)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return Raw(f"{fence}{language}\n{body}\n{fence}")
