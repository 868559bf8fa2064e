"""S3 Inventory reports: what a bucket held when AWS wrote the report, without a LIST request.

A report is a manifest and data files of CSV, ORC or Parquet. Every file is held against the MD5 of
the manifest before a row of it counts.

Source: Amazon S3 User Guide, "Locating your inventory list" and "Amazon S3 Inventory list".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final
from urllib.parse import unquote_plus

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ctanalytics import untrusted
from ctanalytics.errors import SourceError, SourceMissing, UsageError
from ctanalytics.settings import Aws
from ctanalytics.sources.list_files import ListFile
from ctanalytics.sources.object_rows import names_keys, object_rows, texts

ROWS: Final = 16_384
"""Of a file, held in memory at a time."""
_CSV_BLOCK: Final = 4 * 1024 * 1024


class _File(msgspec.Struct):
    key: str
    size: int
    md5: str = msgspec.field(name="MD5checksum")


class _Manifest(msgspec.Struct):
    source_bucket: str = msgspec.field(name="sourceBucket")
    created: str = msgspec.field(name="creationTimestamp")
    """Milliseconds since 1970: when AWS began to look."""
    format: str = msgspec.field(name="fileFormat")
    schema: str = msgspec.field(name="fileSchema")
    files: list[_File]


@dataclass(frozen=True)
class Inventory:
    """A report whose manifest was read."""

    place: ListFile
    bucket: str
    """Whose objects it lists."""
    created_at: dt.datetime
    _manifest: _Manifest

    @classmethod
    def open(cls, text: str, aws: Aws) -> Inventory:
        """Read the manifest of a report, or of the newest one in a folder of reports.

        Args:
            text: s3://bucket/…/manifest.json, the folder with the dated folders, or paths of copies.

        Raises:
            UsageError: this is no manifest.
            SourceError: the manifest can't be read, or is not the one of `manifest.checksum`.
        """
        place = ListFile(text, aws).newest()
        with place.opened(_checksum(place)) as file:
            data = file.read()
        try:
            manifest = msgspec.json.decode(data, type=_Manifest)
            created = dt.datetime.fromtimestamp(int(manifest.created) / 1_000, dt.UTC)
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
            raise UsageError(
                f"this is no manifest of an inventory: {error}",
                where=place.text,
                mend="name the manifest.json of a report; lists of other kinds go to --objects",
            ) from error
        if manifest.format not in _READERS:
            raise SourceError(
                f"the report has a format that is not known: {untrusted.one_line(manifest.format)}",
                where=place.text,
                mend="have S3 write CSV, ORC or Parquet",
            )
        # An ARN in some partitions' reports.
        return cls(place, manifest.source_bucket.rpartition(":")[2], created, manifest)

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Yield the report's rows as OBJECT_ROWS, file by file, in bounded memory.

        Raises:
            SourceError: a file is missing, damaged, or not the one that the manifest names.
        """
        for each in self._manifest.files:
            place = self.place.in_bucket(each.key)
            with place.opened(each.md5) as file, understood(place.text):
                for batch in _READERS[self._manifest.format](file, self._manifest.schema):
                    if not names_keys(batch.schema.names):
                        raise SourceError(
                            "the report has no column of keys",
                            where=place.text,
                            mend="take another",
                        )
                    rows = object_rows(batch)
                    yield _decoded(rows) if self._manifest.format == "CSV" else rows


@contextmanager
def understood(where: str) -> Iterator[None]:
    """Say of which file Arrow speaks when it can't read one."""
    try:
        yield
    except (pa.ArrowException, OSError, OverflowError, UnicodeError) as error:
        said = untrusted.one_line(str(error).partition("\n")[0])[:300]
        raise SourceError(
            f"the list can't be understood: {said}",
            where=where,
            mend="correct it, or take another",
        ) from error


def _checksum(place: ListFile) -> str | None:
    """The manifest's own sum, which lies beside it; a copy may lack it."""
    with suppress(SourceMissing), place.beside("manifest.checksum").opened() as file:
        return file.read(64).decode("ascii", "replace").strip()
    return None


def _csv(file: IO[bytes], schema: str) -> Iterator[pa.RecordBatch]:
    import pyarrow.csv as csv

    names = [name.strip() for name in schema.split(",")]
    yield from csv.open_csv(
        pa.CompressedInputStream(pa.PythonFile(file, "r"), "gzip"),
        read_options=csv.ReadOptions(column_names=names, block_size=_CSV_BLOCK, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=texts(names),
    )


def _parquet(file: IO[bytes], _: str) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    yield from pq.ParquetFile(file).iter_batches(ROWS, use_threads=False)


def _orc(file: IO[bytes], _: str) -> Iterator[pa.RecordBatch]:
    from pyarrow import orc

    found = orc.ORCFile(file)
    for stripe in range(found.nstripes):
        whole = found.read_stripe(stripe)
        for start in range(0, len(whole), ROWS):
            yield whole.slice(start, ROWS)


_READERS: Final = {"CSV": _csv, "Parquet": _parquet, "ORC": _orc}


def _decoded(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Keys as they are: in CSV, and only there, S3 encodes them as in a URL, a space as a plus."""
    keys = rows["key"]
    if not pc.any(pc.match_substring_regex(keys, "[%+]")).as_py():
        return rows
    plain = pa.array([key and unquote_plus(key) for key in keys.to_pylist()], pa.string())
    return rows.set_column(rows.schema.get_field_index("key"), "key", plain)
