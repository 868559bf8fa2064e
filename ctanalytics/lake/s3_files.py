"""An S3 lake's files for DuckDB, whose own S3 reader is not linked into its package.

Arrow's S3 client reads the byte ranges that DuckDB asks for, so Parquet pruning works as on disk.
A lake's files never change, so what S3 once said about a file is asked once: DuckDB wants to know
it four times for every file of every view it opens.
"""

from __future__ import annotations

import io
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.fs as arrow_fs
from fsspec.implementations.arrow import ArrowFSWrapper

T = TypeVar("T")

_OPEN_FILES: Final = 1_000
_KNOWN_FILES: Final = 100_000
_END_BYTES: Final = 2 * 1024 * 1024
_ALL_END_BYTES: Final = 64 * 1024 * 1024
_PASSES: Final = re.compile(
    r"HTTP status (?:429|5\d\d)|SlowDown|NETWORK_CONNECTION|INTERNAL_FAILURE|SERVICE_UNAVAILABLE"
)
_PAUSES_SECONDS: Final = (0.1, 0.3, 1.0, 3.0, 6.0)


class S3Files(ArrowFSWrapper):  # type: ignore[misc]  # fsspec is untyped
    """The fsspec filesystem to register in a DuckDB session; it answers to s3://."""

    protocol = ("s3",)
    cachable = False  # fsspec would hand out one instance for several lakes

    def __init__(
        self, options: Callable[[], dict[str, str] | None], ca_bundle: str | None = None
    ) -> None:
        """Take the source of the lake's storage options, whose keys may change with time."""
        self._options = options
        self._ca_bundle = ca_bundle
        self._made: tuple[dict[str, str], arrow_fs.S3FileSystem] | None = None
        self._known: dict[str, dict[str, Any]] = {}
        self._handles: OrderedDict[str, pa.NativeFile] = OrderedDict()
        self._ends: OrderedDict[str, tuple[int, bytes]] = OrderedDict()  # where it begins, bytes
        self._lock = threading.Lock()
        super().__init__(fs=self.fs)

    @property
    def fs(self) -> arrow_fs.S3FileSystem:
        """Arrow's filesystem with the keys of now: a role's session may end before a query does."""
        options = self._options() or {}
        with self._lock:
            if self._made is None or self._made[0] != options:
                self._made = (options, _arrow_filesystem(options, self._ca_bundle))
                self._handles.clear()
            return self._made[1]

    @fs.setter
    def fs(self, _: object) -> None:
        """Ignore what the base class sets; see the getter."""

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Return size, time and kind of a file, asked of S3 once."""
        name = self._strip_protocol(path)
        known = self._known.get(name)
        if known is None:
            known = _patient(lambda: super(S3Files, self).info(path, **kwargs))
            if known["type"] == "file":
                if len(self._known) >= _KNOWN_FILES:
                    self._known.clear()
                self._known[name] = known
        return known

    def modified(self, path: str) -> Any:
        """Return when a file was written."""
        return self.info(path)["mtime"]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            raise OSError("the lake is only read this way")
        return _LakeFile(self, self._strip_protocol(path))

    def read_at(self, name: str, size: int, place: int) -> bytes:
        """Read a range of a file. Ends of files are kept.

        DuckDB reads a file's footer for every view over it and again for every scan, and of a
        small file all of it.
        """
        at_end = place + size >= self.info(name)["size"] and size <= _END_BYTES
        with self._lock:
            kept = self._ends.get(name) if at_end else None
        if kept is not None and kept[0] <= place:
            return kept[1][place - kept[0] : place - kept[0] + size]
        data: bytes = _patient(lambda: self.handle(name).read_at(size, place))
        if at_end:
            self._keep_end(name, place, data)
        return data

    def _keep_end(self, name: str, place: int, data: bytes) -> None:
        with self._lock:
            self._ends[name] = (place, data)
            total = sum(len(end) for _, end in self._ends.values())
            while total > _ALL_END_BYTES:
                _, (_, dropped) = self._ends.popitem(last=False)
                total -= len(dropped)

    def handle(self, name: str) -> pa.NativeFile:
        """Return the open file, shared by all who read it."""
        filesystem = self.fs
        with self._lock:
            found = self._handles.get(name)
            if found is None:
                found = _patient(lambda: filesystem.open_input_file(name))
                if len(self._handles) >= _OPEN_FILES:
                    self._handles.popitem(last=False)
            self._handles[name] = found
            self._handles.move_to_end(name)
        return found

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return str(path).removeprefix("s3://").rstrip("/")


class _LakeFile(io.RawIOBase):
    """A reader with a place of its own in a shared open file."""

    def __init__(self, files: S3Files, name: str) -> None:
        self._files = files
        self._name = name
        self._place = 0
        self.size = int(files.info(name)["size"] or 0)
        files.handle(name)  # a file that can't be opened says so now

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def read(self, size: int = -1) -> bytes:
        wanted = self.size - self._place if size < 0 else size
        data = self._files.read_at(self._name, max(0, wanted), self._place)
        self._place += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _patient(ask: Callable[[], T]) -> T:
    """Ask again when S3 is busy: a busy answer to HEAD has no body, and Arrow gives up on those."""
    for pause in _PAUSES_SECONDS:
        try:
            return ask()
        except OSError as error:
            if isinstance(error, FileNotFoundError) or not _PASSES.search(str(error)):
                raise
            time.sleep(pause)
    return ask()


def _arrow_filesystem(options: dict[str, str], ca_bundle: str | None) -> arrow_fs.S3FileSystem:
    scheme, _, host = options["aws_endpoint"].partition("://")
    make: Any = arrow_fs.S3FileSystem  # its published types lack tls_ca_file_path
    found: arrow_fs.S3FileSystem = make(
        access_key=options["aws_access_key_id"],
        secret_key=options["aws_secret_access_key"],
        session_token=options.get("aws_session_token"),
        region=options["aws_region"],
        scheme=scheme,
        endpoint_override=host.rstrip("/"),
        proxy_options=options.get("proxy_url"),
        tls_ca_file_path=ca_bundle,
    )
    return found
