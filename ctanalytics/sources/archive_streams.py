"""Bytes of a file read forwards, decompressed on the way: gzip, xz, bzip2 and zstd.

Nothing is held but a window: what an archive unpacks to may be many times this machine's memory.
"""

from __future__ import annotations

import bz2
import io
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Protocol

import pyarrow as pa
from isal import igzip_lib, isal_zlib

from ctanalytics.sources.base import Reason

CHUNK: Final = 256 * 1024
MAX_EXPANSION: Final = 200
"""Unpacked : packed. Logs reach 60; what goes far beyond is made to fill a machine."""
FREE_BYTES: Final = 64 * 1024 * 1024
"""So much may come of any archive, however small it is."""

IsalError: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]  # isal is untyped
_XZ_MEMORY: Final = 256 * 1024 * 1024  # xz -9 asks for 65 MiB


class Broken(Exception):
    """An archive can't be read on from here."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Codec:
    magic: bytes
    make: Callable[[], _Decompressor] | None
    """None: Arrow reads it."""


def _gzip() -> _Decompressor:
    made: _Decompressor = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    return made


def _xz() -> _Decompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


_CODECS: Final = {
    "gz": _Codec(b"\x1f\x8b", _gzip),
    "xz": _Codec(b"\xfd7zXZ\x00", _xz),
    "bz2": _Codec(b"BZh", bz2.BZ2Decompressor),
    "zst": _Codec(b"\x28\xb5\x2f\xfd", None),
}
_MAGIC_BYTES: Final = 6
_PIECE: Final = 64 * 1024


def codec_of(head: bytes) -> str:
    """Tell how a file is compressed by its first bytes; empty: not in a way known here."""
    return next((name for name, codec in _CODECS.items() if head.startswith(codec.magic)), "")


def beginning_of(head: bytes, codec: str, size: int) -> bytes | None:
    """Return the first unpacked bytes, where so few packed ones tell them; None: they don't.

    Most files are small and gzip: a stream for each of them takes three times as long.
    """
    if codec != "gz":
        return None
    try:
        found = _gzip().decompress(head, size)
    except IsalError:
        return b""
    return found if len(found) == size else None


class Stream:
    """A file's unpacked bytes, read and skipped forwards.

    Args:
        file: at its start; the stream closes it.
        codec: as `codec_of` tells it.
        chunk: bytes asked of the file at a time.
    """

    def __init__(self, file: BinaryIO, codec: str = "", *, chunk: int = CHUNK) -> None:
        self.file = file
        self.position = 0
        self._packed = 0
        self._chunk = chunk
        self._waiting = memoryview(b"")
        self._size = None if codec else file.seek(0, io.SEEK_END)
        file.seek(0)
        self._chunks: Iterator[bytes] = self._unpacked(codec) if codec else self._plain()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self.file.close()
        self._chunks = iter(())  # it holds this object, which else would wait for the collector

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer only at the end.

        Raises:
            Broken: they can't be unpacked, or unpack to much more than they should.
        """
        found = []
        while size > 0 and self._filled():
            piece = self._waiting[:size]
            self._waiting = self._waiting[len(piece) :]
            size -= len(piece)
            self.position += len(piece)
            found.append(piece)
        return b"".join(found)

    def skip(self, size: int) -> None:
        """Go over bytes.

        Raises:
            Broken: the file ends before, or as for `read`.
        """
        if self._size is not None:
            self.position += size
            if self.position > self._size:
                raise Broken("truncated", "the archive ends early")
            self._waiting = memoryview(b"")
            self.file.seek(self.position)
            return
        while size > 0:
            if not self._filled():
                raise Broken("truncated", "the archive ends early")
            passed = min(size, len(self._waiting))
            self._waiting = self._waiting[passed:]
            self.position += passed
            size -= passed

    def _filled(self) -> bool:
        """Have some bytes waiting, unless it is the end."""
        while not self._waiting:
            piece = next(self._chunks, None)
            if piece is None:
                return False
            self._waiting = memoryview(piece)
            given = self.position + len(piece)
            if self._packed and given > max(FREE_BYTES, MAX_EXPANSION * self._packed):
                raise Broken("too_large", f"it unpacks to more than {MAX_EXPANSION} times its size")
        return True

    def _plain(self) -> Iterator[bytes]:
        while data := self.file.read(self._chunk):
            yield data

    def _taken(self, size: int | None = None) -> bytes:
        data = self.file.read(size or self._chunk)
        self._packed += len(data)
        return data

    def _unpacked(self, name: str) -> Iterator[bytes]:
        codec = _CODECS[name]
        try:
            if codec.make is None:
                yield from self._by_arrow()
            else:
                yield from self._by_members(codec.magic, codec.make)
        except (IsalError, lzma.LZMAError, pa.ArrowException, OSError, EOFError) as error:
            said = str(error)
            if "runcated" in said:
                raise Broken("truncated", "the compressed stream ends early") from error
            raise Broken("corrupt", f"the compressed stream is damaged: {said}") from error

    def _by_members(self, magic: bytes, make: Callable[[], _Decompressor]) -> Iterator[bytes]:
        """Unpack a file of one or more compressed members, as pigz and `cat` make them."""
        data = self._taken()
        while True:
            stream = make()
            while not stream.eof:
                if stream.needs_input and not data and not (data := self._taken()):
                    raise Broken("truncated", "the compressed stream ends early")
                piece = stream.decompress(data, CHUNK)
                data = b""
                if piece:
                    yield piece
            data = stream.unused_data.lstrip(b"\0")
            while len(data) < _MAGIC_BYTES and (more := self._taken()):
                data = (data + more).lstrip(b"\0")  # tapes and xz pad with zeros
            if not data:
                return
            if not data.startswith(magic):
                raise Broken("corrupt", "other data follows the compressed stream")

    def _by_arrow(self) -> Iterator[bytes]:
        with pa.CompressedInputStream(pa.PythonFile(_Counted(self), mode="r"), "zstd") as stream:
            # Small pieces: of the one in which it meets a fault Arrow gives nothing.
            while piece := stream.read(_PIECE):
                yield piece


class _Counted:
    """The file of a stream as Arrow reads it; what it takes is counted."""

    closed = False

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> Any:
        return self._stream._taken(size)

    def close(self) -> None:
        """The stream closes the file."""
