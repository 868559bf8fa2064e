"""Alerts as OCSF Detection Findings: lines of JSON in a file, or Parquet in a folder or bucket."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ctanalytics import aws as amazon
from ctanalytics import untrusted, whole
from ctanalytics.aws_errors import EMIT, aws_errors
from ctanalytics.emitters.base import Alert, Outcome, Outside, Run, groups
from ctanalytics.emitters.finding import ARROW, finding
from ctanalytics.emitters.stream import LINES, append, file_of, unwritable
from ctanalytics.errors import UsageError

ROWS: Final = 10_000  # of one Parquet file
_BUCKET: Final = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Ocsf:
    """A file that grows by a line for each alert, or a folder that grows by a file for each call."""

    path: Path
    is_folder: bool

    @classmethod
    def open(cls, address: str, outside: Outside) -> Ocsf | OcsfBucket:
        """Return the emitter: Parquet into S3 or a folder, which ends in `/` or exists, else lines.

        Raises:
            UsageError: there can be no such bucket, or no such file.
        """
        if (place := amazon.bucket_of(address)) is not None:
            bucket, prefix = place[0], place[1].strip("/")
            if not _BUCKET.fullmatch(bucket):
                raise UsageError(
                    "this can't be a bucket",
                    where=f"ocsf:{untrusted.one_line(address)}",
                    mend="ocsf:s3://BUCKET/PREFIX/",
                )
            return OcsfBucket(bucket, f"{prefix}/" if prefix else "", outside)
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

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        if self.is_folder:
            return (
                f"would write {len(alerts)} rows into {sum(1 for _ in self.batches(alerts))} files"
            )
        return f"would add {len(alerts)} JSON lines"

    def _write(self, alerts: Sequence[Alert], documents: Sequence[dict[str, Any]]) -> None:
        """Write a file whole. The same alerts make the same name: a repeated call replaces it."""
        path = self.path / _name(alerts)
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            with whole.replacing(path) as file:
                _parquet(documents, file)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(path, error) from error


@dataclass(frozen=True, slots=True)
class OcsfBucket:
    """A prefix of a bucket that grows by a Parquet object for each call, encrypted as the lake is.

    Objects get no ACL: who may read them is the bucket's policy.
    """

    bucket: str
    prefix: str
    outside: Outside

    @property
    def target(self) -> str:
        """See `Emitter`."""
        return f"ocsf:s3://{self.bucket}/{self.prefix}"

    def batches(self, alerts: Sequence[Alert]) -> Iterator[Sequence[Alert]]:
        """See `Emitter`."""
        return groups(alerts, ROWS)

    def send(self, alerts: Sequence[Alert]) -> Sequence[Outcome]:
        """See `Emitter`."""
        body = io.BytesIO()
        _parquet([finding(alert) for alert in alerts], body)
        key = f"{self.prefix}{_name(alerts)}"
        with aws_errors(f"s3://{self.bucket}/{key}", EMIT):
            region = amazon.bucket_region(self.bucket, self.outside.aws)
            client: Any = amazon.client("s3", self.outside.aws, region=region)
            client.put_object(
                Bucket=self.bucket, Key=key, Body=body.getvalue(), **self.outside.encryption
            )
        return [Outcome("sent")] * len(alerts)

    def finish(self, run: Run) -> None:
        """See `Emitter`."""

    def preview(self, alerts: Sequence[Alert], run: Run) -> str:
        """See `Emitter`."""
        return f"would write {len(alerts)} rows into {sum(1 for _ in self.batches(alerts))} objects"


def _name(alerts: Sequence[Alert]) -> str:
    """The same alerts make the same name: a call that is repeated replaces what it wrote."""
    ids = "\n".join(alert.alert_id for alert in alerts)
    digest = hashlib.sha256(ids.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    day = f"{max(alert.detected_at for alert in alerts).astimezone(dt.UTC):%Y%m%d}"
    return f"findings-{day}-{digest}.parquet"


def _parquet(documents: Sequence[dict[str, Any]], file: IO[bytes]) -> None:
    # Parquet wants one type for a column: what has no place in OCSF is text there.
    rows = [document | {"unmapped": json.dumps(document["unmapped"])} for document in documents]
    pq.write_table(pa.Table.from_pylist(rows, schema=ARROW), file)
