"""Files that get their names when they are whole, and what killed writers left of them.

A draft lies beside its target, locked for as long as its writer lives. So whoever comes later can
tell a draft that still grows from one whose writer was killed, on any machine that shares the
folder, and removes the latter. Where a file system has no locks, drafts of killed writers stay.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def draft(folder: Path, prefix: str) -> Iterator[BinaryIO]:
    """A new file of its owner alone, whose `name` tells where it is; gone when the block ends.

    Rename or link it within the block: its lock is held until then.

    Raises:
        OSError: it can't be written.
    """
    file = _locked(folder, prefix)
    try:
        with file:
            yield file
    finally:
        Path(file.name).unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A file that takes a target's place when the block ends without an error, at once and whole.

    Drafts of the same target whose writers were killed are removed.

    Raises:
        OSError: it can't be written.
    """
    if target.exists() and not (target.is_file() or target.is_dir()):
        with target.open("wb") as stream:  # a terminal, a pipe
            yield stream
        return
    prefix = f".{target.name}."
    sweep(target.parent, prefix)
    with draft(target.parent, prefix) as file:
        yield file
        file.flush()
        Path(file.name).replace(target)


@contextlib.contextmanager
def making(target: Path) -> Iterator[Path]:
    """A path beside a target where others make a file or a folder, to be renamed within the block.

    It ends as the target's name does. A draft stands for it; see `replacing`.

    Raises:
        OSError: nothing can be written there.
    """
    prefix = f".{target.name}."
    sweep(target.parent, prefix)
    with draft(target.parent, prefix) as own:
        made = Path(f"{own.name}.part{target.suffix}")
        try:
            yield made
        finally:
            for path in list(target.parent.iterdir()):
                if path.name.startswith(made.name):  # DuckDB writes a log beside its file
                    _remove(path)


def sweep(folder: Path, prefix: str) -> None:
    """Remove drafts in a folder, and what was made beside them, whose writers were killed."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(prefix)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for own in {prefix + name.removeprefix(prefix).partition(".")[0] for name in names}:
        if is_abandoned(folder / own):
            # The draft last: it is what tells that the others are nobody's.
            beside = [name for name in names if name == own or name.startswith(f"{own}.")]
            for name in sorted(beside, reverse=True):
                with contextlib.suppress(OSError):
                    _remove(folder / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_abandoned(path: Path) -> bool:
    """Tell whether nobody writes to a draft any more."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _locked(folder: Path, prefix: str) -> BinaryIO:
    while True:
        path = folder / f"{prefix}{uuid.uuid4().hex}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)  # a sweep came in between, and removes it
            continue
        except OSError:
            pass  # a file system without locks
        if os.fstat(descriptor).st_nlink:
            return open(path, "r+b", opener=lambda *_, opened=descriptor: opened)
        os.close(descriptor)
