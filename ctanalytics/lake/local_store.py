"""A lake in a folder of this machine."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics import whole
from ctanalytics.errors import LakeError, LakeUnsafe
from ctanalytics.lake.store import Entry, checked, probe_store

_TEMPORARY = ".tmp-"
_SWEPT_OTHERWISE = frozenset(("tables", "staging"))


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A lake in a folder, for its owner alone: folders 0700, files 0600."""

    uri: str
    is_local: ClassVar[bool] = True

    def _path(self, path: str) -> Path:
        return Path(self.uri, checked(path))

    def read(self, path: str) -> bytes:
        """See `Store`."""
        with _local_errors(self.uri):
            return self._path(path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        """See `Store`."""
        with self.create(path) as file:
            file.write(data)

    @contextlib.contextmanager
    def create(self, path: str, *, durable: bool = True) -> Iterator[BinaryIO]:
        """See `Store`."""
        target = self._path(path)
        with _local_errors(self.uri):
            _make_folder(target.parent)
            with whole.draft(target.parent, _TEMPORARY) as file:
                yield file
                _settle(file, durable=durable)
                Path(file.name).replace(target)
            if durable:
                _sync_folder(target.parent)

    def buffer(self, path: str) -> pa.Buffer:
        """See `Store`."""
        with _local_errors(self.uri), pa.memory_map(str(self._path(path))) as file:
            return file.read_buffer()

    def put_once(self, path: str, data: bytes) -> bool:
        """See `Store`."""
        target = self._path(path)
        with _local_errors(self.uri):
            _make_folder(target.parent)
            with whole.draft(target.parent, _TEMPORARY) as file:
                file.write(data)
                _settle(file)
                try:
                    # Unlike a rename, a link fails when the name is taken.
                    os.link(file.name, target)
                except FileExistsError:
                    # A network file system may answer so to its own repeated request.
                    return os.fstat(file.fileno()).st_nlink == 2
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                        raise
                    raise LakeUnsafe(
                        "this file system has no hard links, by which one of two writers wins",
                        where=self.uri,
                        mend="put the lake on another file system, or in S3",
                    ) from error
            _sync_folder(target.parent)
        return True

    def exists(self, path: str) -> bool:
        """See `Store`."""
        return self._path(path).is_file()

    def list(self, prefix: str = "") -> Iterator[str]:
        """See `Store`."""
        folder, slash, _ = prefix.rpartition("/")
        with _local_errors(self.uri):
            for path in _walk(Path(self.uri, folder), folder + slash):
                if path.startswith(prefix):
                    yield path

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """See `Store`."""
        folder, slash, _ = prefix.rpartition("/")
        with _local_errors(self.uri):
            for path in _walk(Path(self.uri, folder), folder + slash, temporary=True):
                with contextlib.suppress(FileNotFoundError):  # another process removed it just now
                    if path.startswith(prefix):
                        found = Path(self.uri, path).stat()
                        modified = dt.datetime.fromtimestamp(found.st_mtime, dt.UTC)
                        yield Entry(path, found.st_size, modified)

    def delete(self, path: str) -> None:
        """See `Store`."""
        with _local_errors(self.uri):
            self._path(path).unlink(missing_ok=True)

    def delete_all(self, paths: Iterable[str]) -> None:
        """See `Store`."""
        for path in paths:
            self.delete(path)

    def delete_tree(self, prefix: str) -> None:
        """See `Store`."""
        root = self._path(prefix.rstrip("/"))
        with _local_errors(self.uri):
            for folder, _, names in os.walk(root, topdown=False):
                for name in names:
                    Path(folder, name).unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # another writer has just put a file there
                    Path(folder).rmdir()

    def sweep(self) -> None:
        """See `Store`."""
        for folder, inner, _ in os.walk(self.uri):
            if folder == self.uri:
                inner[:] = [name for name in inner if name not in _SWEPT_OTHERWISE]
            whole.sweep(Path(folder), _TEMPORARY)

    def location(self, path: str = "") -> str:
        """See `Store`."""
        return str(self._path(path)) if path else self.uri

    def storage_options(self) -> dict[str, str] | None:
        """See `Store`."""
        return None

    def filesystem(self) -> Any:
        """See `Store`."""
        return None

    def open_parquet(self, path: str, **options: Any) -> pq.ParquetFile:
        """See `Store`."""
        with _local_errors(self.uri):
            return pq.ParquetFile(self._path(path), **options)

    def spec(self) -> dict[str, Any]:
        """See `Store`."""
        return {"uri": self.uri}

    def probe(self) -> None:
        """See `Store`."""
        probe_store(self)


@contextlib.contextmanager
def _local_errors(uri: str) -> Iterator[None]:
    """Turn the system's errors into ours; that a file is absent is for the caller to judge."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise LakeError(
            f"the lake may not be used: {error.strerror}",
            where=str(error.filename or uri),
            mend="a lake belongs to one user; run as that user, or give it to this one",
        ) from error
    except NotADirectoryError as error:
        raise LakeError(
            "this place is a file, or lies below one, and a lake is a folder",
            where=str(error.filename or uri),
            mend="name a folder with --lake",
        ) from error
    except OSError as error:
        raise LakeError(
            f"the lake's files can't be read or written: {error.strerror}",
            where=str(error.filename or uri),
            mend="check the disk: space, mount, hard links (which a lake needs)",
        ) from error


def _settle(file: BinaryIO, *, durable: bool = True) -> None:
    """Hand a file's bytes to the system, or to the disk."""
    file.flush()
    if durable:
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    # A new name survives a power cut only when its folder is on disk too.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _walk(folder: Path, prefix: str, *, temporary: bool = False) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    # "a/" after "a-b": the order in which S3 lists the same keys.
    for entry in sorted(entries, key=lambda x: os.fsencode(x.name + "/" * x.is_dir())):
        if entry.is_dir():
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", temporary=temporary)
        elif temporary or not entry.name.startswith(_TEMPORARY):
            yield prefix + entry.name
