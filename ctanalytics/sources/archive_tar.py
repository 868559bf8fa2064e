"""Members of a tar file, told from its headers one by one; their content is passed over.

The standard library's reader keeps all members in memory, and takes long for headers made to slow
it down. Here a header is read in time linear in its length, which is limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from ctanalytics.sources.archive_streams import Broken, Stream

BLOCK: Final = 512
_MAX_EXTRA: Final = 64 * 1024  # of a header that holds a long name or other properties
_REGULAR: Final = frozenset((b"0", b"\0", b"7"))
_LINKS: Final = frozenset((b"1", b"2"))
_DEVICES: Final = frozenset((b"3", b"4", b"6"))

What = Literal["file", "folder", "link", "sparse", "other"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One header of a tar file, long names and sizes filled in."""

    what: What
    name: bytes
    offset: int
    """Of the content, in the unpacked file."""
    size: int
    modified: int
    """Seconds since 1970."""


def is_header(block: bytes) -> bool:
    """Tell whether a block begins a member of a tar file."""
    if len(block) < BLOCK or not any(block[:BLOCK]):
        return False
    try:
        return _number(block[148:156]) == _checksum(block)
    except Broken:
        return False


def entries(stream: Stream) -> Iterator[Entry]:
    """Yield what a tar file holds, in its order.

    Several tar files one behind the other are read as one: nothing hides behind an end mark.

    Raises:
        Broken: the file ends early, or is no tar file from some place on.
    """
    extra: dict[str, bytes] = {}
    while block := stream.read(BLOCK):
        if not any(block):
            continue
        if len(block) < BLOCK:
            raise Broken("truncated", "the archive ends early")
        if not is_header(block):
            raise Broken("corrupt", f"there is no member header at byte {stream.position - BLOCK}")
        kind = block[156:157]
        if kind in (b"L", b"K", b"x", b"X", b"g"):
            extra |= _extra(kind, _content(stream, _number(block[124:136])))
            continue
        more = kind == b"S" and block[482] != 0
        while more:  # the map of a sparse file goes on
            more = stream.read(BLOCK)[504:505] not in (b"", b"\0")
        entry = _entry(block, extra, stream.position)
        extra = {}
        yield entry
        # What the reader of this generator has read meanwhile is behind us.
        end = entry.offset + -(-entry.size // BLOCK) * BLOCK
        stream.skip(end - stream.position)


def _entry(block: bytes, extra: dict[str, bytes], offset: int) -> Entry:
    kind = block[156:157]
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0" and (prefix := block[345:500].partition(b"\0")[0]):
        name = prefix + b"/" + name
    size = _decimal(extra["size"]) if "size" in extra else _number(block[124:136])
    entry = Entry("other", extra.get("path", name), offset, size, _moment(block[136:148]))
    if any(key.startswith("GNU.sparse.") for key in extra) or kind == b"S":
        return replace(entry, what="sparse")
    if kind in _LINKS:
        return replace(entry, what="link", size=0)
    if kind == b"5" or (kind in _REGULAR and entry.name.endswith(b"/")):
        return replace(entry, what="folder", size=0)
    if kind in _DEVICES:
        return replace(entry, size=0)
    return replace(entry, what="file") if kind in _REGULAR else entry


def _content(stream: Stream, size: int) -> bytes:
    if size > _MAX_EXTRA:
        raise Broken("corrupt", f"a member's properties take {size} bytes")
    padded = stream.read(-(-size // BLOCK) * BLOCK)
    if len(padded) < size:
        raise Broken("truncated", "the archive ends early")
    return padded[:size]


def _extra(kind: bytes, content: bytes) -> dict[str, bytes]:
    """Properties that stand before a header, by their names in the pax format."""
    if kind == b"L":
        return {"path": content.partition(b"\0")[0]}
    if kind in (b"K", b"g"):
        return {}
    found = {}
    while content:
        # "LENGTH KEY=VALUE\n"; the length counts all of it.
        length = _decimal(content[:20].partition(b" ")[0])
        key, _, value = content[:length].partition(b" ")[2].partition(b"=")
        if length < 5:
            raise Broken("corrupt", "a member's properties can't be read")
        found[key.decode("utf-8", "replace")] = value.removesuffix(b"\n")
        content = content[length:]
    return found


def _number(text: bytes) -> int:
    """A number of a header: octal, or binary where it is too large for that."""
    if text[0] == 0x80:
        return int.from_bytes(text[1:], "big")
    digits = text.strip(b" \0")
    if digits and not (digits.isdigit() and max(digits) < ord("8")):
        raise Broken("corrupt", "a number of a member's header can't be read")
    return int(digits or b"0", 8)


def _moment(text: bytes) -> int:
    try:
        return _number(text)
    except Broken:
        return 0  # before 1970; it says nothing about the content


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 18:
        raise Broken("corrupt", "a number of a member's properties can't be read")
    return int(text)


def _checksum(block: bytes) -> int:
    return sum(block[:148]) + 8 * ord(" ") + sum(block[156:BLOCK])
