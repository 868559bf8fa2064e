"""A list of objects that somebody has made: lines, CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, Final

import msgspec
import pyarrow as pa

from ctanalytics.errors import UsageError
from ctanalytics.settings import Aws
from ctanalytics.sources.inventory import ROWS, understood
from ctanalytics.sources.list_files import ListFile
from ctanalytics.sources.object_rows import batches_of, column_of, names_keys, object_rows, texts

_Row = dict[str, Any]
_LOOK: Final = 64 * 1024
"""Bytes that tell what a file is."""
_LONGEST_LINE: Final = 16 * 1024
"""A key has 1,024 bytes, six times as many where all of it is escaped."""


@dataclass(frozen=True)
class ObjectList:
    """A file, told by its content: Parquet, JSON lines, CSV with a header that names `key` or
    `uri`, or one key or s3:// address a line; plain or gzip."""

    place: ListFile

    @classmethod
    def open(cls, text: str, aws: Aws) -> ObjectList:
        """Return the list at a path or address; it is opened when its rows are asked for."""
        return cls(ListFile(text, aws))

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as OBJECT_ROWS, in bounded memory.

        Raises:
            SourceError: the file can't be read.
            UsageError: it doesn't say which objects are meant.
        """
        with self.place.opened() as file, understood(self.place.text):
            start = file.read(4)
            file.seek(0)
            if start == b"PAR1":
                yield from self._parquet(file)
                return
            plain: Any = pa.PythonFile(file, "r")
            if start[:2] == b"\x1f\x8b":
                plain = pa.CompressedInputStream(plain, "gzip")
            text = io.BufferedReader(plain, _LOOK)
            yield from self._text(text)

    def _parquet(self, file: IO[bytes]) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        found = pq.ParquetFile(file)
        self._check(found.schema_arrow.names)
        wanted = [name for name in found.schema_arrow.names if column_of(name)]
        for batch in found.iter_batches(ROWS, columns=wanted, use_threads=False):
            yield object_rows(batch)

    def _text(self, file: io.BufferedReader) -> Iterator[pa.RecordBatch]:
        start = file.peek(_LOOK)[:_LOOK].removeprefix(b"\xef\xbb\xbf").lstrip()
        first = start.replace(b"\r", b"\n").split(b"\n", 1)[0]
        if first.startswith(b"{"):
            lines = self._lines(file)
            while some := list(islice(lines, ROWS)):
                yield object_rows(self._json(some))
            return
        names = next(csv.reader([first.decode("utf-8", "replace")]), [])
        if names_keys(names):
            yield from map(object_rows, _csv(file, names))
        else:
            yield from batches_of(_texts(self._lines(file)), ROWS)

    def _lines(self, file: io.BufferedReader) -> Iterator[bytes]:
        """Lines that are not blank; a gzip bomb may unpack to one of gigabytes."""
        while line := file.readline(_LONGEST_LINE + 1):
            if len(line) > _LONGEST_LINE:
                raise UsageError(
                    f"a line is longer than {_LONGEST_LINE} bytes",
                    where=self.place.text,
                    mend="one object a line",
                )
            if line.strip():
                yield line

    def _json(self, lines: Iterable[bytes]) -> pa.RecordBatch:
        try:
            found = [msgspec.json.decode(line, type=_Row) for line in lines]
        except (msgspec.DecodeError, RecursionError) as error:
            raise UsageError(
                f"a line is no JSON object: {error}",
                where=self.place.text,
                mend='one object a line: {"key": "…", "size": 1, "etag": "…"}',
            ) from error
        names = {name for row in found for name in row if column_of(name)}
        self._check(names)
        columns = {name: pa.array([row.get(name) for row in found]) for name in sorted(names)}
        return pa.RecordBatch.from_pydict(columns)

    def _check(self, names: Iterable[str]) -> None:
        if not names_keys(list(names)):
            raise UsageError(
                "the list has neither a column `key` nor a column `uri`",
                where=self.place.text,
                mend="name the column of the keys `key`; `bucket`, `size`, `etag`, `last_modified` "
                "and `storage_class` may stand beside it",
            )


def _csv(file: io.BufferedReader, names: list[str]) -> Iterator[pa.RecordBatch]:
    from pyarrow import csv as arrow_csv

    yield from arrow_csv.open_csv(
        file,
        read_options=arrow_csv.ReadOptions(use_threads=False),
        convert_options=texts(names),
    )


def _texts(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        if text := line.decode("utf-8").strip().removeprefix("\ufeff"):
            yield text
