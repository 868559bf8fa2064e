"""Inventory reports: each format gives the same rows, and a damaged file gives none."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctanalytics.errors import CtanalyticsError, SourceError, SourceMissing, UsageError
from ctanalytics.settings import SourceAws
from ctanalytics.sources.inventory import Inventory
from ctanalytics.sources.object_rows import OBJECT_ROWS
from tests.aws_server import Server, aws_server
from tests.lake.decoding import json_values
from tests.sources.reports import DATED, FOLDER, report, row, save

AWS = SourceAws()
ODD = ["AWSLogs/of ours/a+b/100%.json.gz", "AWSLogs/übung/a%2Bb", "plain/key.json.gz"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with aws_server(monkeypatch) as running:
        running.bucket("inventory")
        yield running


def rows(found: Inventory) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = pa.Table.from_batches(found.rows()).to_pylist()
    return table


@pytest.mark.parametrize("kind", ["CSV", "Parquet", "ORC"])
def test_each_format_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    versions: dict[str, Any] = {"version_id": "v1", "is_latest": True, "is_delete_marker": False}
    given = [[row(ODD[0], **versions)], [row(key, **versions) for key in ODD[1:]]]
    found = Inventory.open(str(save(report(given, kind), tmp_path)), AWS)
    assert (found.bucket, found.created_at) == ("logs", dt.datetime(2026, 11, 27, 1, tzinfo=dt.UTC))
    assert rows(found) == [
        {
            "bucket": "logs",
            "key": key,
            "etag": "0cc175b9c0f1b6a831c399e269772661",
            "size_bytes": 10,
            "last_modified": dt.datetime(2026, 11, 26, 12, 30, tzinfo=dt.UTC),
            "storage_class": "STANDARD",
            "is_latest": True,
            "is_delete_marker": False,
        }
        for key in ODD
    ]


def test_columns_that_a_report_lacks_are_null(tmp_path: Path) -> None:
    given = [[{"bucket": "logs", "key": "a", "size": 1}]]
    (found,) = rows(Inventory.open(str(save(report(given), tmp_path)), AWS))
    assert {name for name, value in found.items() if value is not None} == {
        "bucket",
        "key",
        "size_bytes",
    }


def test_a_report_in_a_bucket_is_read_and_the_newest_of_a_folder_is_taken(server: Server) -> None:
    s3 = server.client("s3")
    older = report([[row("old")]], dated=f"{FOLDER}/2026-11-26T01-00Z")
    files = older | report([[row("new")]], "Parquet")
    for key, data in files.items():
        s3.put_object(Bucket="inventory", Key=key, Body=data)
    # A report that is still being written has no manifest yet.
    s3.put_object(Bucket="inventory", Key=f"{FOLDER}/2026-11-28T01-00Z/part", Body=b"")
    found = Inventory.open(f"s3://inventory/{FOLDER}/", AWS)
    assert found.place.text == f"s3://inventory/{DATED}/manifest.json"
    assert [each["key"] for each in rows(found)] == ["new"]


@pytest.mark.parametrize("kind", ["CSV", "Parquet", "ORC"])
def test_a_file_with_another_sum_gives_no_row(kind: str, tmp_path: Path) -> None:
    files = report([[row("a")]], kind)
    data = next(key for key in files if "/data/" in key)
    files[data] = files[data][:-1] + bytes([files[data][-1] ^ 1])
    found = Inventory.open(str(save(files, tmp_path)), AWS)
    with pytest.raises(SourceError, match="not the one that the manifest names"):
        next(found.rows())


def test_a_manifest_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = save(report([[row("a")]]), tmp_path)
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"sourceBucket": "other"}))
    with pytest.raises(SourceError, match="not the one that the manifest names"):
        Inventory.open(str(path), AWS)
    path.with_name("manifest.checksum").unlink()
    assert Inventory.open(str(path), AWS).bucket == "other"


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        pytest.param({"fileFormat": "XML"}, SourceError, "not known: XML", id="format"),
        pytest.param({"files": None}, UsageError, "no manifest", id="no-files"),
        pytest.param({"creationTimestamp": "soon"}, UsageError, "no manifest", id="time"),
    ],
)
def test_what_is_no_report_is_told(
    change: dict[str, Any], error: type[CtanalyticsError], said: str, tmp_path: Path
) -> None:
    path = save(report([[row("a")]]), tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    path.with_name("manifest.checksum").unlink()
    with pytest.raises(error, match=said):
        Inventory.open(str(path), AWS)


def test_a_copy_of_the_files_alone_is_enough_and_no_key_leads_out_of_it(tmp_path: Path) -> None:
    files = report([[row("a")]])
    path = save({Path(key).name: data for key, data in files.items()}, tmp_path)
    found = Inventory.open(str(path), AWS)
    assert [each["key"] for each in rows(found)] == ["a"]
    with pytest.raises(SourceError, match="outside"):
        found.place.in_bucket("../../data.csv.gz")
    with pytest.raises(SourceMissing, match="no inventory report"):
        Inventory.open(f"{tmp_path.parent}/", AWS)


@pytest.mark.parametrize("key", ["", ".", "a\0b", "x" * 5_000, "/etc/passwd", "a/../../b"])
def test_a_key_that_no_file_can_have_is_told(key: str, tmp_path: Path) -> None:
    found = Inventory.open(str(save(report([[row("a")]]), tmp_path)), AWS)
    with pytest.raises(SourceError, match="lies outside of it, or has no name"):
        found.place.in_bucket(key)


def test_a_row_that_is_none_is_told_with_its_file(tmp_path: Path) -> None:
    found = Inventory.open(str(save(report([[row("a", size="many")]]), tmp_path)), AWS)
    with pytest.raises(SourceError, match="can't be understood") as told:
        next(found.rows())
    assert told.value.where.endswith("-0.csv.gz")


def test_a_bomb_in_a_report_is_told_and_not_held(tmp_path: Path) -> None:
    files = report([[row("a")]])
    data = next(key for key in files if "/data/" in key)
    files[data] = gzip.compress(b'"logs","' + b"x" * 50_000_000, 1)
    manifest = json.loads(files[f"{DATED}/manifest.json"])
    manifest["files"][0]["MD5checksum"] = hashlib.md5(files[data]).hexdigest()
    files[f"{DATED}/manifest.json"] = json.dumps(manifest).encode()
    del files[f"{DATED}/manifest.checksum"]
    found = Inventory.open(str(save(files, tmp_path)), AWS)
    with pytest.raises(SourceError, match="can't be understood"):
        next(found.rows())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inventory")


REPORTS = {kind: report([[row("a"), row("b")]], kind) for kind in ("CSV", "Parquet", "ORC")}
MANIFESTS = {kind: json.loads(files[f"{DATED}/manifest.json"]) for kind, files in REPORTS.items()}
DATA = {
    kind: next(files[key] for key in files if "/data/" in key) for kind, files in REPORTS.items()
}


@settings(max_examples=60)
@given(
    st.sampled_from(["CSV", "Parquet", "ORC"]),
    st.dictionaries(st.sampled_from(list(MANIFESTS["CSV"])), json_values, max_size=1),
    st.none() | st.tuples(st.integers(0, 10_000), st.integers(0, 255)),
)
def test_any_manifest_and_any_damage_end_in_rows_of_one_shape_or_in_an_error_of_ours(
    folder: Path, kind: str, change: dict[str, Any], damage: tuple[int, int] | None
) -> None:
    """The sum of a damaged file is that of its manifest: whoever can write one writes the other."""
    data = bytearray(DATA[kind])
    if damage is not None:
        data[damage[0] % len(data)] = damage[1]
    (folder / "data.bin").write_bytes(data)
    manifest = json.loads(json.dumps(MANIFESTS[kind]))
    manifest["files"] = [{"key": "data.bin", "size": len(data)}]
    manifest["files"][0]["MD5checksum"] = hashlib.md5(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest | change))
    try:
        for batch in Inventory.open(str(folder / "manifest.json"), AWS).rows():
            assert batch.schema == OBJECT_ROWS
    except CtanalyticsError as error:
        assert error.where
        assert error.what


@pytest.mark.parametrize(
    "manifest", [b'{"x":' + b"[" * 100_000, b"", b"\xff", b"[]", b'{"files":1}']
)
def test_what_is_no_manifest_at_all_is_told(manifest: bytes, folder: Path) -> None:
    (folder / "manifest.json").write_bytes(manifest)
    with pytest.raises(UsageError, match="no manifest"):
        Inventory.open(str(folder / "manifest.json"), AWS)
