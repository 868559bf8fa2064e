"""Alerts as JSON lines: to standard output, or added to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ctanalytics.emitters.base import Alert, Outcome, Outside, Run, plain
from ctanalytics.errors import EmitError, UsageError

_LINES = 100  # of one write


def _line(alert: Alert) -> str:
    # ASCII only, so that nothing in it can act on a terminal.
    return json.dumps(plain(alert)) + "\n"


def _groups(alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
    for start in range(0, len(alerts), _LINES):
        yield alerts[start : start + _LINES]


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
        return _groups(alerts)

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        self.stream.write("".join(map(_line, alerts)))
        self.stream.flush()
        return [Outcome("sent")] * len(alerts)

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert]) -> str:
        """See `Emitter`."""
        return f"would print {len(alerts)} JSON lines"


@dataclass(frozen=True, slots=True)
class File:
    """A file that grows by a line for each alert; made for its owner alone."""

    path: Path

    @classmethod
    def open(cls, address: str, outside: Outside) -> File:  # noqa: ARG003
        """Return the emitter of a path; the folder has to be there."""
        path = Path(address).absolute()
        if not address or path.is_dir() or not path.parent.is_dir():
            raise UsageError(
                "no file can be written there",
                where=f"file:{address}",
                mend="name a file in a folder that exists",
            )
        return cls(path)

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"file:{self.path}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        return _groups(alerts)

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        data = "".join(map(_line, alerts)).encode()
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "rb+") as file:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    data = b"\n" + data  # a write that was cut off must not swallow the next line
                file.write(data)
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise EmitError(
                f"the file can't be written: {error.strerror}",
                where=str(self.path),
                mend="check its permissions and the disk's space",
            ) from error
        return [Outcome("sent")] * len(alerts)

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert]) -> str:
        """See `Emitter`."""
        return f"would add {len(alerts)} JSON lines"
