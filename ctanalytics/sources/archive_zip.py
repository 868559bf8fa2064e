"""Members of a zip file, told from its central directory entry by entry, and read at random.

The standard library's reader holds the whole directory, a kilobyte for each member.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from isal import isal_zlib

from ctanalytics.sources.archive_streams import Broken, IsalError

MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")
STORED: Final = 0
DEFLATED: Final = 8

_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT: Final = 65_535
_CHUNK: Final = 1024 * 1024
_LONGEST_ENTRY: Final = _ENTRY.size + 3 * 65_535
_METHODS: Final = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 99: "AES"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One member, as the directory has it."""

    name: bytes
    encoding: str
    offset: int
    """Of its local header."""
    packed: int
    size: int
    crc: int
    method: int
    encrypted: bool
    link: bool


@dataclass(frozen=True, slots=True)
class _Directory:
    offset: int
    size: int
    count: int
    before: int
    """Bytes that precede the archive, which offsets don't count."""


def method_name(method: int) -> str:
    """Return what people call a way of compression."""
    return _METHODS.get(method, f"number {method}")


def entries(file: BinaryIO) -> Iterator[Entry]:
    """Yield the members of a zip file in the order of its directory.

    Raises:
        Broken: there is no directory, or it can't be read on.
    """
    directory = _directory(file)
    start, end = directory.offset, directory.offset + directory.size
    waiting, at = b"", 0
    count = 0
    while True:
        if len(waiting) - at < _LONGEST_ENTRY and start < end:
            file.seek(start)
            more = file.read(min(_CHUNK, end - start))
            if not more:
                raise Broken("truncated", "the zip file's directory ends early")
            start += len(more)
            waiting, at = waiting[at:] + more, 0
        if at == len(waiting):
            break
        entry, at = _entry(waiting, at, directory.before)
        count += 1
        yield entry
    if count != directory.count & 0xFFFF and count != directory.count:
        raise Broken("corrupt", f"the zip file names {directory.count} members and has {count}")


def read(file: BinaryIO, offset: int, packed: int, size: int, crc: int, method: int) -> bytes:
    """Return a member's content, checked.

    Raises:
        Broken: it is not what the directory says.
    """
    _seek(file, offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise Broken("corrupt", "the member is not where the zip file's directory has it")
    *_, name_length, extra_length = _LOCAL.unpack(header)
    file.seek(offset + _LOCAL.size + name_length + extra_length)
    data = file.read(packed)
    if len(data) < packed:
        raise Broken("truncated", "the member ends early")
    content = data if method == STORED else _inflated(data, size)
    if len(content) != size or isal_zlib.crc32(content) != crc:
        raise Broken("corrupt", "the member has another length or checksum than it should")
    return content


def _seek(file: BinaryIO, offset: int) -> None:
    if not 0 <= offset < 1 << 62:
        raise Broken("corrupt", "the zip file names a place outside of itself")
    file.seek(offset)


def _inflated(data: bytes, size: int) -> bytes:
    stream = isal_zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        content: bytes = stream.decompress(data, size + 1)
    except IsalError as error:
        raise Broken("corrupt", f"the member's compressed content is damaged: {error}") from error
    return content


def _directory(file: BinaryIO) -> _Directory:
    length = file.seek(0, 2)
    start = max(0, length - _LONGEST_COMMENT - _END.size)
    file.seek(start)
    tail = file.read(length - start)
    place = len(tail)
    while (place := tail.rfind(b"PK\x05\x06", 0, place)) >= 0:
        fields = tail[place : place + _END.size]
        if len(fields) == _END.size:
            _, disk, first_disk, _, count, size, offset, comment = _END.unpack(fields)
            if place + _END.size + comment == len(tail):
                break
    else:
        raise Broken("truncated", "the zip file has no directory: it ends early")
    if disk or first_disk:
        raise Broken("unsupported", "the zip file is one of several volumes")
    at = start + place
    ends = at
    if at >= _LOCATOR.size:
        file.seek(at - _LOCATOR.size)
        magic, _, where, _ = _LOCATOR.unpack(file.read(_LOCATOR.size))
        if magic == b"PK\x06\x07":
            ends = at - _LOCATOR.size - _END_64.size
            _seek(file, ends)
            fields = file.read(_END_64.size)
            if len(fields) < _END_64.size or not fields.startswith(b"PK\x06\x06"):
                raise Broken("corrupt", f"the zip file's directory is not at byte {where}")
            *_, count, size, offset = _END_64.unpack(fields)
    before = ends - size - offset
    if before < 0:
        raise Broken("truncated", "the zip file's beginning is missing")
    return _Directory(before + offset, size, count, before)


def _entry(data: bytes, at: int, before: int) -> tuple[Entry, int]:
    """One entry, and where the next begins."""
    if len(data) - at < _ENTRY.size:
        raise Broken("corrupt", "the zip file's directory ends within a member")
    fields = _ENTRY.unpack_from(data, at)
    if fields[0] != b"PK\x01\x02":
        raise Broken("corrupt", "the zip file's directory has something else than a member")
    _, made_by, _, flags, method, _, _, crc, packed, size = fields[:10]
    name_length, extra_length, comment_length, _, _, attributes, offset = fields[10:]
    at += _ENTRY.size
    end = at + name_length + extra_length
    if end + comment_length > len(data):
        raise Broken("corrupt", "the zip file's directory ends within a member")
    name = data[at : at + name_length]
    size, packed, offset = _long(data[at + name_length : end], [size, packed, offset])
    is_link = made_by >> 8 == 3 and (attributes >> 16) & 0o170000 == 0o120000
    return (
        Entry(
            name=name,
            encoding="utf-8" if flags & 0x800 else "cp437",
            offset=before + offset,
            packed=packed,
            size=size,
            crc=crc,
            method=method,
            encrypted=bool(flags & 0x41),
            link=is_link,
        ),
        end + comment_length,
    )


def _long(extra: bytes, values: list[int]) -> list[int]:
    """Sizes and offset that need more than 32 bits stand in an extra field, in this order."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind != 1:
            continue
        for place, value in enumerate(values):
            if value == 0xFFFFFFFF and len(body) >= 8:
                values[place] = int.from_bytes(body[:8], "little")
                body = body[8:]
    return values
