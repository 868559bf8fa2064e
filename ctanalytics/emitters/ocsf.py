"""Alerts as OCSF Detection Findings: lines of JSON in a file, or Parquet files in a folder."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics.emitters.base import Alert, Outcome, Outside, Run, groups
from ctanalytics.emitters.finding import ARROW, finding
from ctanalytics.emitters.stream import LINES, append, file_of, unwritable

ROWS: Final = 10_000  # of one Parquet file


@dataclass(frozen=True, slots=True)
class Ocsf:
    """A file that grows by a line for each alert, or a folder that grows by a file for each call."""

    path: Path
    is_folder: bool

    @classmethod
    def open(cls, address: str, outside: Outside) -> Ocsf:  # noqa: ARG003
        """Return the emitter: Parquet into a folder, which ends in `/` or exists, else lines."""
        path = Path(address).absolute()
        if address.endswith("/") or (address and path.is_dir()):
            return cls(path, is_folder=True)
        return cls(file_of(address, f"ocsf:{address}"), is_folder=False)

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"ocsf:{self.path}{'/' if self.is_folder else ''}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        return groups(alerts, ROWS if self.is_folder else LINES)

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        documents = [finding(alert) for alert in alerts]
        if self.is_folder:
            self._write(alerts, documents)
        else:
            lines = "".join(json.dumps(document) + "\n" for document in documents)
            append(self.path, lines.encode())
        return [Outcome("sent")] * len(alerts)

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:  # noqa: ARG002
        """See `Emitter`."""
        if self.is_folder:
            return (
                f"would write {len(alerts)} rows into {sum(1 for _ in self.batches(alerts))} files"
            )
        return f"would add {len(alerts)} JSON lines"

    def _write(self, alerts: Sequence[Alert], documents: Sequence[dict[str, Any]]) -> None:
        """Write a file whole. The same alerts make the same name: a repeated call replaces it."""
        ids = "\n".join(alert.alert_id for alert in alerts)
        digest = hashlib.sha256(ids.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        day = f"{max(alert.detected_at for alert in alerts).astimezone(dt.UTC):%Y%m%d}"
        path = self.path / f"findings-{day}-{digest}.parquet"
        temporary = path.with_suffix(".tmp")
        rows = [_flat(document) for document in documents]
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                pq.write_table(pa.Table.from_pylist(rows, schema=ARROW), file)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise unwritable(path, error) from error


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    # Parquet wants one type for a column: what has no place in OCSF is text there.
    return document | {"unmapped": json.dumps(document["unmapped"])}
