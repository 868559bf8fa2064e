"""JSON text cut apart without reading it, where a strict parser refuses the whole for one part.

Two things occur in real logs that msgspec refuses: half a surrogate pair in an escape (cut text,
or an attacker's), and nesting deeper than Python's stack. And one damaged record of a plain file
must not cost its neighbours.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

import msgspec

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb'|[\[\]{},"]', re.S)
_KEY = re.compile(rb"[ \t\r\n]*+(" + _STRING + rb")[ \t\r\n]*+:", re.S)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.S,
)
_BLANKS: Final = b" \t\r\n"
_PAIRS: Final = {b"]": b"[", b"}": b"{"}
_MAX_DEPTH: Final = 100_000
_MAX_TOKENS: Final = 5_000_000
"""Where cutting stops, after about 5 s; a log file of 50 MB, CloudTrail's largest, has 3 million."""

_decode_text = msgspec.json.Decoder(str).decode


def mended(text: bytes) -> bytes:
    r"""Replace escapes of half a surrogate pair by `\ufffd`, which has the same length.

    Half a pair is no character: no UTF-8 text, Parquet file or JSON reader can hold it.
    """
    if not _SURROGATE.search(text):
        return text
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], text)


def elements(text: bytes) -> list[bytes] | None:
    """Return the texts of a list's elements; None when it is no list or its brackets don't pair."""
    parts = _parts(text) if text[:1] == b"[" else None
    if parts is None or parts == [b""]:
        return parts if parts is None else []
    return parts


def members(text: bytes) -> dict[str, bytes] | None:
    """Return the texts of an object's members; None when it is no object or its brackets don't pair."""
    parts = _parts(text) if text[:1] == b"{" else None
    if parts is None or parts == [b""]:
        return parts if parts is None else {}
    found: dict[str, bytes] = {}
    for part in parts:
        match = _KEY.match(part)
        if match is None:
            return None
        try:
            key = _decode_text(mended(match[1]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        found[key] = part[match.end() :].strip(_BLANKS)
    return found


def documents(text: bytes) -> tuple[list[bytes], bytes]:
    """Return the JSON objects that stand one behind the other, and what follows the last of them.

    Between two of them there may be blanks, and a comma.
    """
    found: list[bytes] = []
    start = depth = 0
    for match in islice(_TOKEN.finditer(text), _MAX_TOKENS):
        token = match[0]
        if depth == 0:
            if token == b",":
                continue
            if token != b"{" or text[start : match.start()].strip(_BLANKS + b","):
                break
            start = match.start()
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                found.append(text[start : match.end()])
                start = match.end()
    return found, text[start:].strip(_BLANKS + b",")


def _parts(text: bytes) -> list[bytes] | None:
    """What stands between the commas of one list or object that takes up the whole text."""
    parts: list[bytes] = []
    open_: list[bytes] = []
    start = 1
    for match in islice(_TOKEN.finditer(text), _MAX_TOKENS):
        token = match[0]
        if len(token) > 1:
            continue
        if token in (b"[", b"{"):
            open_.append(token)
            if len(open_) > _MAX_DEPTH:
                return None
        elif token == b",":
            if len(open_) == 1:
                parts.append(text[start : match.start()].strip(_BLANKS))
                start = match.end()
        elif token == b'"' or not open_ or open_.pop() != _PAIRS[token]:
            return None  # a string without an end, or a bracket that closes another
        elif not open_:
            parts.append(text[start : match.start()].strip(_BLANKS))
            return parts if match.end() == len(text) else None
    return None
