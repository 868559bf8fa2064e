"""An object's bytes -> its content: out of gzip, and out of what CloudWatch Logs packs twice.

A subscription's payloads are gzip each. Firehose puts them one behind the other into an object,
and may pack that again; other consumers store them as base64. So a second gzip member is content
where all members are such payloads, and only there: see `inflate` for why not elsewhere.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import replace
from typing import Final

import msgspec
from isal import isal_zlib

from ctanalytics.lake.inflate import GZIP_MAGIC, Inflated, IsalError, inflate

BASE64_GZIP: Final = b"H4sI"
"""How the base64 of a gzip stream begins."""

_PACKED: Final = re.compile(rb"^H4sI[A-Za-z0-9+/=]*(?:\r?\n(?!H4sI)[A-Za-z0-9+/=]+)*", re.M)
_GZIP_WINDOW: Final = 31
_PIECE: Final = 32 * 1024
_decode_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def unpack(data: bytes, *, max_bytes: int) -> Inflated:
    """Return the content of an object; see `inflate`.

    Args:
        max_bytes: the largest content to make, of all that is packed in it together.
    """
    if data.startswith(BASE64_GZIP):
        return _from_base64(data, max_bytes)
    found = inflate(data, max_bytes=max_bytes)
    if found.reason == "trailing_data" and _is_payload(found.content):
        return _members(data, max_bytes)
    if found.content.startswith(GZIP_MAGIC):  # packed by its maker, and again on the way
        return _twice(found, max_bytes)
    return found


def payload(text: bytes, *, max_bytes: int) -> Inflated:
    """Return the content of a payload that stands as base64 in JSON."""
    try:
        packed = binascii.a2b_base64(re.sub(rb"\s", b"", text), strict_mode=True)
    except binascii.Error as error:
        return Inflated(b"", "corrupt", f"the base64 can't be read: {error}")
    return inflate(packed, max_bytes=max_bytes)


def _is_payload(content: bytes) -> bool:
    # By its own keys: any text may stand deeper in a record.
    try:
        return {"messageType", "logEvents"} <= _decode_keys(content).keys()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _members(data: bytes, max_bytes: int) -> Inflated:
    """Gzip members one behind the other, while each is a payload of CloudWatch Logs."""
    whole = memoryview(data)
    contents: list[bytes] = []
    size = end = 0
    while end < len(data):
        start = end
        if data[start : start + 2] != GZIP_MAGIC:
            return _ended(contents, data[start:], "they are no gzip stream")
        try:
            content, end = _member(whole, start, max_bytes - size)
        except IsalError as error:
            return _ended(contents, data[start:], f"the gzip stream is damaged: {error}")
        if end < 0:
            return Inflated(b"", "too_large", f"the content is larger than {max_bytes} bytes")
        if not end:
            return _ended(contents, data[start:], "the gzip stream ends early")
        if not _is_payload(content):
            return _ended(contents, data[start:], "it is no payload of CloudWatch Logs")
        contents.append(content)
        size += len(content) + 1
    return Inflated(b"\n".join(contents))


def _member(data: memoryview, start: int, max_bytes: int) -> tuple[bytes, int]:
    """A member's content and where it ends: 0 if the data end before, -1 if it is too large."""
    # In pieces: what follows a member is copied for each of them.
    stream = isal_zlib.decompressobj(wbits=_GZIP_WINDOW)
    pieces, size = [], 0
    while not stream.eof:
        piece = data[start : start + _PIECE]
        if not piece:
            return b"", 0
        start += len(piece)
        pieces.append(stream.decompress(piece, max_bytes + 1 - size))
        size += len(pieces[-1])
        if size > max_bytes:
            return b"", -1
    return b"".join(pieces), start - len(stream.unused_data)


def _ended(contents: list[bytes], behind: bytes, why: str) -> Inflated:
    """What came before something that can't be read is content all the same."""
    if not contents:
        return Inflated(b"", "corrupt", why)
    detail = f"{len(behind)} bytes follow {len(contents)} payloads of CloudWatch Logs: {why}"
    return Inflated(b"\n".join(contents), "trailing_data", detail, behind)


def _from_base64(data: bytes, max_bytes: int) -> Inflated:
    """Payloads as base64, each from a line's beginning on."""
    if len(data) > max_bytes:
        return Inflated(b"", "too_large", f"the content is larger than {max_bytes} bytes")
    contents = []
    size = end = 0
    for match in _PACKED.finditer(data):
        if data[end : match.start()].strip():
            break
        found = payload(match[0], max_bytes=max_bytes - size)
        if found.reason:
            return replace(found, content=b"", trailing=b"")
        contents.append(found.content)
        size += len(found.content) + 1
        end = match.end()
    if data[end:].strip():
        return Inflated(b"", "corrupt", f"there is something else than base64 at byte {end}")
    return Inflated(b"\n".join(contents))


def _twice(outer: Inflated, max_bytes: int) -> Inflated:
    found = inflate(outer.content, max_bytes=max_bytes)
    if found.reason == "trailing_data" and _is_payload(found.content):
        found = _members(outer.content, max_bytes)
    if found.reason or not outer.reason:
        return found
    return replace(outer, content=found.content)
