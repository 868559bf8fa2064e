"""The files of an export: rows in batches, out as Parquet, CSV, lines of JSON or CloudTrail files."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ctanalytics import untrusted
from ctanalytics.records.object_key import log_key
from ctanalytics.records.schema import UNDATED

_WAITING_BYTES: Final = 256 * 1024 * 1024

_FORMULA: Final = (
    "^[" + "".join(rf"\x{{{ord(sign):x}}}" for sign in sorted(untrusted.FORMULA)) + "]"
)


class Sink(Protocol):
    """Takes an export's rows, date by date."""

    def take(self, date: dt.date | None, batch: pa.RecordBatch) -> None:
        """Write a batch of a date's rows."""
        ...

    def close(self) -> None:
        """Write what still waits."""
        ...


@dataclass
class ParquetSink:
    """A folder with a Parquet file for each date, in folders that name it."""

    folder: Path
    files: int = 0
    _date: dt.date | None = None
    _writer: pq.ParquetWriter | None = field(default=None, repr=False)

    def take(self, date: dt.date | None, batch: pa.RecordBatch) -> None:
        """See `Sink`."""
        if date:
            batch = batch.drop_columns(["event_date"])  # it is in the path
        if self._writer is None or date != self._date:
            self.close()
            self._date = date
            folder = self.folder / f"event_date={date}" if date else self.folder
            folder.mkdir(mode=0o700, exist_ok=True)
            self._writer = pq.ParquetWriter(
                folder / "rows.parquet", batch.schema, compression="zstd"
            )
            self.files += 1
        self._writer.write_batch(batch)

    def close(self) -> None:
        """See `Sink`."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@dataclass
class CsvSink:
    """One CSV file that no spreadsheet reads formulas from."""

    path: Path
    files: int = 1
    _closing: ExitStack = field(default_factory=ExitStack, repr=False)
    _writer: pa_csv.CSVWriter | None = field(default=None, repr=False)

    def take(self, date: dt.date | None, batch: pa.RecordBatch) -> None:  # noqa: ARG002 - one file for all dates
        """See `Sink`."""
        made = pa.RecordBatch.from_arrays(
            [_cells(column) for column in batch.columns], list(batch.schema.names)
        )
        if self._writer is None:
            file = self._closing.enter_context(created(self.path))
            self._writer = self._closing.enter_context(pa_csv.CSVWriter(file, made.schema))
        self._writer.write_batch(made)

    def close(self) -> None:
        """See `Sink`."""
        if self._writer is None:
            self._closing.enter_context(created(self.path))
        self._closing.close()


@dataclass
class LinesSink:
    """One file with a JSON object in each line; rows come as texts."""

    path: Path
    files: int = 1
    _closing: ExitStack = field(default_factory=ExitStack, repr=False)
    _file: BinaryIO | None = field(default=None, repr=False)

    def take(self, date: dt.date | None, batch: pa.RecordBatch) -> None:  # noqa: ARG002 - one file for all dates
        """See `Sink`."""
        if self._file is None:
            self._file = self._closing.enter_context(created(self.path))
        self._file.write(_joined(batch.column("record"), "\n") + b"\n")

    def close(self) -> None:
        """See `Sink`."""
        if self._file is None:
            self._closing.enter_context(created(self.path))
        self._closing.close()


@dataclass
class CloudTrailSink:
    """A folder of log files as CloudTrail delivers them: of one account, region and day each."""

    folder: Path
    kind: str
    delivered: dt.datetime
    """What the names of files say whose records have no believable time."""
    records_per_file: int = 5_000
    files: int = 0
    _date: dt.date | None = None
    _waiting: dict[tuple[str, str], list[pa.Array]] = field(default_factory=dict, repr=False)
    _waiting_bytes: int = 0

    def take(self, date: dt.date | None, batch: pa.RecordBatch) -> None:
        """See `Sink`."""
        if date != self._date:
            self.close()
            self._date = date
        for place, records in _by_place(batch):
            held = self._waiting.setdefault(place, [])
            held.append(records)
            self._waiting_bytes += records.nbytes
            if sum(map(len, held)) >= self.records_per_file:
                self._flush(place)
        if self._waiting_bytes > _WAITING_BYTES:
            self.close()

    def close(self) -> None:
        """See `Sink`."""
        for place in list(self._waiting):
            self._flush(place)

    def _flush(self, place: tuple[str, str]) -> None:
        held = self._waiting.pop(place)
        self._waiting_bytes -= sum(records.nbytes for records in held)
        records = pa.concat_arrays(held)
        for start in range(0, len(records), self.records_per_file):
            self._write(*place, records.slice(start, self.records_per_file))

    def _write(self, account: str, region: str, records: pa.Array) -> None:
        self.files += 1
        at = self.delivered
        if self._date and self._date != UNDATED:
            at = dt.datetime.combine(self._date, dt.time(23, 59), dt.UTC)
        place = f"{self._date} {account} {region} {self.files}"
        # Records of one account may name another; that is no reason to leave the folder.
        key = log_key(
            account_id=untrusted.file_name(account or "unknown"),
            aws_region=untrusted.file_name(region or "unknown"),
            delivered=at,
            unique=hashlib.sha256(place.encode()).hexdigest()[:16],
            kind=self.kind,
        )
        path = self.folder / key
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with created(path) as file:
            file.write(b'{"Records":[' + _joined(records, ",") + b"]}")


def created(path: Path) -> BinaryIO:
    """Create a file for its owner alone; gzipped when its name says so."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    file = os.fdopen(descriptor, "wb")
    if path.name.endswith(".gz"):
        # No name and no time in it: the same rows give the same bytes.
        return cast(BinaryIO, _Gzip(file))
    return file


class _Gzip(gzip.GzipFile):
    """Closes the file below with itself."""

    def __init__(self, file: io.BufferedWriter) -> None:
        super().__init__(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)
        self._below = file

    def close(self) -> None:
        super().close()
        self._below.close()


def _joined(texts: pa.Array, separator: str) -> bytes:
    """Join texts by a separator, without a Python object for each."""
    if not len(texts):
        return b""
    offsets = pa.array([0, len(texts)], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, _plain(texts))
    joined: bytes = pc.binary_join(lists, separator)[0].as_buffer().to_pybytes()
    return joined


def _plain(texts: pa.Array) -> pa.Array:
    return texts if texts.type == pa.string() else texts.cast(pa.string())


def _by_place(batch: pa.RecordBatch) -> Iterator[tuple[tuple[str, str], pa.Array]]:
    """Records of each account and region, in their order."""
    accounts, regions = (
        _plain(batch.column(name)).fill_null("").dictionary_encode()
        for name in ("account_id", "aws_region")
    )
    pairs = accounts.indices.to_numpy().astype(np.int64) * len(regions.dictionary)
    pairs += regions.indices.to_numpy()
    order = np.argsort(pairs, kind="stable")
    cuts = np.flatnonzero(np.diff(pairs[order])) + 1
    records = _plain(batch.column("record"))
    for rows in np.split(order, cuts):
        first = int(rows[0])
        place = (accounts[first].as_py(), regions[first].as_py())
        yield place, records.take(pa.array(rows))


def _cells(column: pa.Array) -> pa.Array:
    """A column as CSV has it: times in ISO 8601, no cell that a spreadsheet takes for a formula."""
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column.cast(pa.timestamp("us", "UTC")), "%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_binary(column.type):
        # Bytes that need not be text.
        column = pa.array([x and x.decode("utf-8", "backslashreplace") for x in column.to_pylist()])
    if not pa.types.is_string(column.type):
        return column
    risky = pc.match_substring_regex(column, _FORMULA)
    return pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
