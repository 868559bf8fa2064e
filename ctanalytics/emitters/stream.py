"""Alerts as JSON lines: to standard output, or added to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from ctanalytics.emitters.base import Alert, Outcome, Outside, Run, groups
from ctanalytics.emitters.document import plain
from ctanalytics.errors import EmitError, UsageError

LINES: Final = 100  # of one write


def _line(alert: Alert) -> str:
    # ASCII only, so that nothing in it can act on a terminal.
    return json.dumps(plain(alert)) + "\n"


@dataclass(frozen=True, slots=True)
class Stdout:
    """Standard output, or another open stream."""

    stream: TextIO
    target: str = "stdout"

    @classmethod
    def open(cls, address: str, outside: Outside) -> Stdout:
        """Return the emitter; standard output takes no address."""
        if address:
            raise UsageError(
                "stdout takes no address", where=f"stdout:{address}", mend="--to stdout"
            )
        return cls(outside.stdout)

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        return groups(alerts, LINES)

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        self.stream.write("".join(map(_line, alerts)))
        self.stream.flush()
        return [Outcome("sent")] * len(alerts)

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        return f"would print {len(alerts)} JSON lines"


@dataclass(frozen=True, slots=True)
class File:
    """A file that grows by a line for each alert; made for its owner alone."""

    path: Path

    @classmethod
    def open(cls, address: str, outside: Outside) -> File:
        """Return the emitter of a path; the folder has to be there."""
        return cls(file_of(address, f"file:{address}"))

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"file:{self.path}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        return groups(alerts, LINES)

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        append(self.path, "".join(map(_line, alerts)).encode())
        return [Outcome("sent")] * len(alerts)

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        return f"would add {len(alerts)} JSON lines"


def file_of(address: str, where: str) -> Path:
    """Return the path of a file that may be there or come.

    Raises:
        UsageError: its folder is not there, or it is one.
    """
    path = Path(address).absolute()
    if not address or path.is_dir() or not path.parent.is_dir():
        raise UsageError(
            "no file can be written there",
            where=where,
            mend="name a file in a folder that exists",
        )
    return path


def append(path: Path, lines: bytes) -> None:
    """Add lines to a file, for good; a new one is its owner's alone.

    Raises:
        EmitError: it can't be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "rb+") as file:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines  # a write that was cut off must not swallow the next line
            file.write(lines)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> EmitError:
    """Return what to say of a file that can't be written."""
    return EmitError(
        f"the file can't be written: {error.strerror}",
        where=str(path),
        mend="check its permissions and the disk's space",
    )
