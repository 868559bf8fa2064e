"""Files of keys: told by their content, and equal whatever they are."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.errors import CtanalyticsError, SourceError, SourceMissing, UsageError
from ctanalytics.settings import SourceAws
from ctanalytics.sources.object_list import ObjectList
from ctanalytics.sources.object_rows import OBJECT_ROWS
from tests.lake.decoding import json_values

AT = dt.datetime(2026, 11, 26, 12, 30, tzinfo=dt.UTC)
TABLE: list[dict[str, Any]] = [
    {"key": "a b/ü.gz", "size": 10, "etag": "e1", "last_modified": AT},
    {"key": "c,d.gz", "size": None, "etag": None, "last_modified": None},
]


def rows(data: bytes, tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "list"
    path.write_bytes(data)
    found = ObjectList.open(str(path), SourceAws()).rows()
    return [
        {k: v for k, v in row.items() if v is not None}
        for row in pa.Table.from_batches(found).to_pylist()
    ]


def parquet(table: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table), sink)
    return sink.getvalue()


LINES = "s3://logs/a b/ü.gz\n\nc,d.gz\r\n  S3://other/e\n".encode()
CSV = 'Key,Size,ETag,LastModified,note\n"a b/ü.gz",10,"""e1""",2026-11-26T12:30:00+00:00,x\n"c,d.gz",,,,\n'
JSON = "\n".join(
    json.dumps({"Key": row["key"], "Size": row["size"], "ETag": row["etag"] and f'"{row["etag"]}"',
                "LastModified": row["last_modified"] and "2026-11-26 12:30:00"})
    for row in TABLE
)  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(parquet(TABLE), id="parquet"),
        pytest.param(CSV.encode(), id="csv"),
        pytest.param(b"\xef\xbb\xbf" + CSV.encode(), id="csv-with-a-mark"),
        pytest.param(gzip.compress(CSV.encode()), id="csv-gzip"),
        pytest.param(JSON.encode(), id="json-lines"),
    ],
)
def test_tables_of_each_kind_give_the_same(data: bytes, tmp_path: Path) -> None:
    assert rows(data, tmp_path) == [
        {"key": "a b/ü.gz", "size_bytes": 10, "etag": "e1", "last_modified": AT},
        {"key": "c,d.gz"},
    ]


@pytest.mark.parametrize("data", [LINES, gzip.compress(LINES)], ids=["plain", "gzip"])
def test_lines_are_keys_or_addresses(data: bytes, tmp_path: Path) -> None:
    assert rows(data, tmp_path) == [
        {"bucket": "logs", "key": "a b/ü.gz"},
        {"key": "c,d.gz"},
        {"bucket": "other", "key": "e"},
    ]


def test_many_lines_come_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("\n".join(f"key-{number}" for number in range(40_000)))
    sizes = [len(batch) for batch in ObjectList.open(str(path), SourceAws()).rows()]
    assert sum(sizes) == 40_000
    assert max(sizes) < 20_000


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(parquet([{"name": "a"}]), UsageError, id="no-key"),
        pytest.param(b'{"name": "a"}', UsageError, id="json-without-key"),
        pytest.param(b'{"key": "a"}\nnone', UsageError, id="no-json"),
        pytest.param(b'{"key": "a"}\n["key"]', UsageError, id="json-list"),
        pytest.param(b'{"key": "a"}\n[5]', UsageError, id="json-list-of-numbers"),
        pytest.param(b'{"a":' * 2_000, UsageError, id="deep-json"),
        pytest.param(b'{"key": "a\\ud800"}', UsageError, id="half-a-surrogate-pair"),
        pytest.param(b'{"key": "a", "size": 1%s}' % (b"0" * 30), SourceError, id="huge-size"),
        pytest.param(b"key,size\na,many\n", SourceError, id="no-number"),
        pytest.param(b"key,size\na\n", SourceError, id="too-few-columns"),
        pytest.param(b"a\xff\n", SourceError, id="no-utf8"),
        pytest.param(gzip.compress(LINES)[:-9], SourceError, id="cut"),
        pytest.param(gzip.compress(b"x" * 50_000_000, 1), UsageError, id="bomb-of-one-line"),
        pytest.param(gzip.compress(b"key\n" + b"x" * 50_000_000, 1), SourceError, id="bomb-csv"),
        pytest.param(gzip.compress(b'{"key":"' + b"x" * 50_000_000, 1), UsageError, id="bomb-json"),
        pytest.param(b"PAR1", SourceError, id="damaged-parquet"),
    ],
)
def test_what_is_no_list_is_told(data: bytes, kind: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(kind):
        rows(data, tmp_path)


def test_an_empty_file_is_an_empty_list_and_a_missing_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert list(ObjectList.open(str(tmp_path / "empty"), SourceAws()).rows()) == []
    with pytest.raises(SourceMissing):
        next(ObjectList.open(str(tmp_path / "none"), SourceAws()).rows())


def test_blank_lines_between_pieces_are_no_rows(tmp_path: Path) -> None:
    data = b'{"key": "a"}\n' * 16_384 + b"\n" * 20_000 + b'{"key": "b"}\n'
    assert len(rows(data, tmp_path)) == 16_385


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists") / "list"


WORDS = [
    "key",
    "uri",
    "Size",
    "etag",
    "LastModified",
    "IsLatest",
    "a",
    "9" * 30,
    "2026-13-01",
    "true",
]
CELLS = st.sampled_from([*WORDS, "s3://logs/b", ",", '"', "\n", "\r", "\0", "", "{"])
OBJECTS = st.dictionaries(st.sampled_from(WORDS[:6]), json_values, max_size=4)
LISTS = (
    st.binary(max_size=200)
    | st.lists(CELLS, max_size=20).map(lambda cells: ("key,size\n" + ",".join(cells)).encode())
    | st.lists(CELLS, max_size=20).map(lambda cells: "".join(cells).encode())
    | st.lists(OBJECTS, max_size=3).map(lambda found: "\n".join(map(json.dumps, found)).encode())
)


@settings(max_examples=60)
@given(LISTS, st.sampled_from([bytes, gzip.compress]))
def test_any_bytes_are_rows_of_one_shape_or_an_error_that_names_the_file(
    file: Path, data: bytes, pack: Callable[[bytes], bytes]
) -> None:
    file.write_bytes(pack(data))
    try:
        for batch in ObjectList.open(str(file), SourceAws()).rows():
            assert batch.schema == OBJECT_ROWS
    except CtanalyticsError as error:
        assert error.where == str(file)
        assert error.what
